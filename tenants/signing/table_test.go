package signing

import (
	"net/textproto"
	"regexp"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

func (m Mark) sound() bool {
	if m.Algorithm == Token {
		return m.Encoding == Text
	}
	return m.Algorithm.known() && (m.Encoding == Hex || m.Encoding == Base64)
}

func canonical(header string) bool { return header == textproto.CanonicalMIMEHeaderKey(header) }

// rowPath reports whether a row may have the path: one that a tenant may write, or one with the array segments of
// signed fields.
func rowPath(path string) bool {
	for field := range strings.SplitSeq(path, "+") {
		if !fieldPath(strings.NewReplacer(eachElement, "x", onlyElement, "x").Replace(field)) {
			return false
		}
	}
	return true
}

func TestEveryRowIsSound(t *testing.T) {
	names := map[string]bool{}
	for _, s := range Schemes() {
		if names[s.Name] || !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(s.Name) || s.Title == "" ||
			s.Retry.Note == "" {
			t.Errorf("bad or repeated name %q, title %q or retry note", s.Name, s.Title)
		}
		names[s.Name] = true
		headers := []string{s.Mark.Header, s.Also.Mark.Header, s.Timestamp.Header, s.Certificate.Header}
		for _, m := range s.Legacy {
			headers = append(headers, m.Header)
			if m.Header != "" && !m.sound() {
				t.Errorf("%s: legacy mark %+v", s.Name, m)
			}
		}
		for _, p := range []Place{s.ID[0], s.ID[1], s.Type[0], s.Type[1], s.Attempt} {
			headers = append(headers, p.Header)
			if p.Header != "" && p.Field != "" || p.Field != "" && !rowPath(p.Field) {
				t.Errorf("%s: place %+v", s.Name, p)
			}
		}
		for _, h := range headers {
			if !canonical(h) {
				t.Errorf("%s: header %q is not in canonical spelling", s.Name, h)
			}
		}
		if s.None() {
			continue
		}
		if (s.Mark.Header == "") == (s.Mark.Field == "") || !s.Mark.sound() {
			t.Errorf("%s: mark %+v", s.Name, s.Mark)
		}
		if (s.Signed == "") != (s.Mark.Algorithm == Token) {
			t.Errorf("%s: signs %q", s.Name, s.Signed)
		}
		stamped := s.signs(timestampPart) || s.Timestamp.Field != ""
		if stamped != s.Timestamp.set() || s.signs(idPart) && s.ID[0].Header == "" {
			t.Errorf("%s: the template %q does not fit its headers", s.Name, s.Signed)
		}
		if ts := s.Timestamp; ts.set() && (ts.Tolerance <= 0 ||
			ts.Unit != Seconds && ts.Unit != Milliseconds && ts.Unit != RFC3339) {
			t.Errorf("%s: timestamp %+v", s.Name, ts)
		}
		if k := s.Key; k.Min < 1 || k.Max < k.Min || k.Encoding != Text && k.Encoding != Hex && k.Encoding != Base64 {
			t.Errorf("%s: key %+v", s.Name, k)
		}
		if s.Also != (Way{}) && (!s.Also.Mark.sound() || s.Also.Key.Prefix == "" ||
			s.Also.Mark.Header != s.Mark.Header) {
			t.Errorf("%s: also %+v", s.Name, s.Also)
		}
		if !strings.HasPrefix(s.Docs, "https://") {
			t.Errorf("%s: the documentation %q is not an https URL", s.Name, s.Docs)
		}
	}
}

// Every part of a row's template must be known; a misspelt one would be taken for a field.
func TestEveryTemplateHasKnownPartsOnly(t *testing.T) {
	known := regexp.MustCompile(
		`^(\{(id|timestamp|method|url|uri|body|crc32|form|secret|json:[^{}]+|header:[^{}]+)\}|[^{}])*$`)
	for _, s := range Schemes() {
		for _, template := range []string{s.Signed, s.Legacy[0].Signed, s.Legacy[1].Signed} {
			if !known.MatchString(template) {
				t.Errorf("%s: %q", s.Name, template)
			}
			for _, m := range regexp.MustCompile(`\{(json|header):([^{}]+)\}`).FindAllStringSubmatch(template, -1) {
				if m[1] == "json" && !rowPath(m[2]) || m[1] == "header" && !canonical(m[2]) {
					t.Errorf("%s: %q", s.Name, m[0])
				}
			}
		}
	}
}

func TestEveryHandshakeIsSound(t *testing.T) {
	for _, s := range Schemes() {
		for _, h := range s.Handshakes {
			if h == (Handshake{}) {
				continue
			}
			echoes, macs := strings.Contains(h.Answer, echoPart), strings.Contains(h.Answer, macPart)
			if h.Status == 0 || h.Method != "GET" && h.Method != "POST" || h.When == "" ||
				h.In != Query && h.In != JSONBody && h.In != FormBody {
				t.Errorf("%s: %+v", s.Name, h)
			}
			if (echoes || macs) && h.Echo == "" || (h.Status == 204) != (h.ContentType == "") ||
				macs && h.ContentType == plainText {
				t.Errorf("%s: %+v", s.Name, h)
			}
			if macs && !s.Mark.Algorithm.keyed() || h.Method == "GET" && h.Signed {
				t.Errorf("%s: %+v", s.Name, h)
			}
		}
	}
}

// A row that differs from the provider's documentation would still verify its own signatures; the published vectors
// cover that. Here only: a signed request verifies, with the same metadata.
func TestWhatEverySchemeSignsItVerifies(t *testing.T) {
	for _, p := range players(t, 0) {
		holds := func(payload []byte, seconds uint32, number uint64) bool {
			p.Now = time.Unix(int64(seconds), 0)
			id := "msg_" + strings.Repeat("x", int(number%200))
			r := p.compose(t, payload, id)
			if p.answerable(r.Body) {
				return true
			}
			late := min(p.Timestamp.Tolerance, 299*time.Second)
			v, err := p.Verify(r, []Secret{{}, p.Verifier}, p.Now.Add(late), p.Options)
			if err != nil || v.Legacy {
				t.Log(err)
				return false
			}
			if p.None() {
				return v.Secret == -1 && v.Timestamp.IsZero()
			}
			if p.ID[0].Header != "" && v.DeliveryID != id || p.Timestamp.set() && !v.Timestamp.Equal(p.Now) {
				t.Logf("%+v", v)
				return false
			}
			return v.Secret == 1 && v.Scheme == p.Name
		}
		if err := quick.Check(holds, &quick.Config{MaxCount: 40}); err != nil {
			t.Errorf("%s %s: %v", p.Name, p.Mark.Header, err)
		}
	}
}

func TestSignRefusesAnIDThatCouldNotBeVerified(t *testing.T) {
	for _, p := range players(t, 0) {
		if p.ID[0].Header == "" || p.Name == "paypal" {
			continue
		}
		for _, id := range []string{"a\nb", "a\x00", strings.Repeat("x", MaxDeliveryID+1)} {
			if _, err := p.Sign(p.Signer, Request{}, id, time.Unix(1, 0)); err == nil {
				t.Errorf("%s signs the id %.20q", p.Name, id)
			}
		}
		if p.Timestamp.Field != "" {
			continue
		}
		_, err := p.Sign(p.Signer, Request{}, "", time.Unix(1, 0))
		if (err != nil) != p.signs(idPart) {
			t.Errorf("%s without an id: error %v, want one: %v", p.Name, err, p.signs(idPart))
		}
	}
}

func TestSignRefusesATimeThatCouldNotBeVerified(t *testing.T) {
	for _, p := range players(t, 0) {
		if p.Timestamp.Header == "" || p.Timestamp.Unit == RFC3339 {
			continue
		}
		for _, now := range []time.Time{{}, time.Unix(-1, 0), time.Unix(1e11, 0)} {
			if _, err := p.Sign(p.Signer, Request{}, "msg_1", now); err == nil {
				t.Errorf("%s signs at %v, want an error", p.Name, now)
			}
		}
	}
}

func TestAPublicKeyCannotSign(t *testing.T) {
	for _, p := range players(t, 0) {
		if p.markOf(p.Signer).Algorithm.Public() {
			if _, err := p.Sign(p.Verifier, p.compose(t, nil, "msg_1"), "msg_1", p.instant()); err == nil {
				t.Errorf("%s signs with a public key", p.Name)
			}
		}
	}
}
