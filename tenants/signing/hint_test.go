package signing

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHintsNameWhatHappenedOnTheWay(t *testing.T) {
	github, square := one(t, "github"), one(t, "square")
	for _, c := range []struct {
		p                player
		signed, received string
		url              string
		want             string
	}{
		{github, "{}", "{}\n", "", "ends in a line break"},
		{github, "{}\n", "{}", "", "lacks the final LF"},
		{github, "{}\r\n", "{}", "", "lacks the final CR LF"},
		{github, "{}", "  {}  ", "", "white space around"},
		{github, "{\n}", "{\r\n}", "", "from LF to CR LF"},
		{github, "{\r\n}", "{\n}", "", "from CR LF to LF"},
		{github, "{}", "\ufeff{}", "", "byte order mark"},
		{github, `{"a":1}`, "{\n  \"a\": 1\n}", "", "reformatted"},
		{github, "{}", "{ \"a\":1}", "", ""},
		{square, "{}", "{}", "https://in.example/in/abc?x=1&y=2", ""},
		{square, "{}", "{}", "http://in.example/in/abc?x=1", "http"},
	} {
		r := c.p.compose(t, []byte(c.signed), "1")
		if r.Body = []byte(c.received); c.url != "" {
			r.URL = c.url
		}
		hints := c.p.Hints(r, []Secret{c.p.Verifier}, c.p.instant(), Options{})
		if (len(hints) > 0) != (c.want != "") || c.want != "" && !slices.ContainsFunc(hints, func(h string) bool {
			return strings.Contains(h, c.want)
		}) {
			t.Errorf("%s: %q arrived as %q: hints %q, want one with %q", c.p.Name, c.signed, c.received, hints, c.want)
		}
	}
}

func TestHintsFindTheProviderWhoseHeaderIsThere(t *testing.T) {
	p, other := one(t, "github"), one(t, "stripe")
	hints := p.Hints(other.compose(t, []byte("{}"), "1"), []Secret{p.Verifier}, p.instant(), Options{})
	if len(hints) != 1 || !strings.Contains(hints[0], "(provider stripe)") {
		t.Errorf("hints %q, want the provider stripe", hints)
	}
	old := p
	old.Mark = p.Legacy[0]
	if hints := p.Hints(old.compose(t, []byte("{}"), "1"), []Secret{p.Verifier}, p.instant(),
		Options{}); len(hints) != 1 || !strings.Contains(hints[0], "allow_legacy") {
		t.Errorf("hints %q, want allow_legacy", hints)
	}
}

func TestHintsSayNothingOfARightOrALateRequest(t *testing.T) {
	p := one(t, "stripe")
	r := p.compose(t, []byte("{}"), "1")
	for _, late := range []time.Duration{0, time.Hour} {
		if hints := p.Hints(r, []Secret{p.Verifier}, p.instant().Add(late), Options{}); len(hints) > 0 {
			t.Errorf("%v late: hints %q, want none", late, hints)
		}
	}
}

// Row 80: no hint and no refusal reveals a valid signature.
func TestAttack80NoHintShowsTheExpectedSignature(t *testing.T) {
	for _, p := range players(t, 0) {
		if p.None() || p.Mark.Field != "" || p.Mark.Algorithm == Token {
			continue
		}
		r := p.compose(t, []byte(`{"a":1}`), "msg_1")
		_, mac := p.shown(r)
		r.Body = append(bytes.Clone(r.Body), '\n')
		_, err := p.verify(r)
		if err == nil {
			t.Fatalf("%s accepts an altered body", p.Name)
		}
		said := err.Error() + strings.Join(p.Hints(r, []Secret{p.Verifier}, p.instant(), p.Options), " ")
		for _, hidden := range []string{mac, mac[:8], p.Text} {
			if strings.Contains(strings.ToLower(said), strings.ToLower(hidden)) {
				t.Errorf("%s reveals %q in %q", p.Name, hidden, said)
			}
		}
	}
}
