package signing

import (
	"net/textproto"
	"regexp"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

func TestEveryRowIsSound(t *testing.T) {
	names := map[string]bool{}
	for _, s := range Schemes() {
		if names[s.Name] || !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(s.Name) || s.Title == "" {
			t.Errorf("name %q, title %q", s.Name, s.Title)
		}
		names[s.Name] = true
		headers := []string{s.Mark.Header, s.Timestamp.Header, s.Attempt.Header}
		for _, m := range s.Legacy {
			headers = append(headers, m.Header)
			if m.Header != "" && (m.Algorithm.size() == 0 || m.Encoding != Hex && m.Encoding != Base64) {
				t.Errorf("%s: legacy mark %+v", s.Name, m)
			}
		}
		for _, p := range []Place{s.ID[0], s.ID[1], s.Type[0], s.Type[1], s.Attempt} {
			headers = append(headers, p.Header)
			if p.Header != "" && p.Field != "" || p.Field != "" && !fieldPath(p.Field) {
				t.Errorf("%s: place %+v", s.Name, p)
			}
		}
		for _, h := range headers {
			if h != textproto.CanonicalMIMEHeaderKey(h) {
				t.Errorf("%s: header %q is not in canonical spelling", s.Name, h)
			}
		}
		if s.None() {
			continue
		}
		if s.Mark.Header == "" || s.Mark.Algorithm.size() == 0 || s.Mark.Encoding != Hex && s.Mark.Encoding != Base64 {
			t.Errorf("%s: mark %+v", s.Name, s.Mark)
		}
		if reason := checkTemplate(s.Signed); reason != "" {
			t.Errorf("%s: the template %s", s.Name, reason)
		}
		if s.signs(timestampPart) != (s.Timestamp.Header != "") || s.signs(idPart) && s.ID[0].Header == "" {
			t.Errorf("%s: %q does not go with its headers", s.Name, s.Signed)
		}
		if ts := s.Timestamp; ts.Header != "" && (ts.Tolerance <= 0 || ts.Unit != time.Second && ts.Unit != time.Millisecond) {
			t.Errorf("%s: timestamp %+v", s.Name, ts)
		}
		if k := s.Key; k.Min < 1 || k.Max < k.Min || k.Encoding != Text && k.Encoding != Hex && k.Encoding != Base64 {
			t.Errorf("%s: key %+v", s.Name, k)
		}
		if !strings.HasPrefix(s.Docs, "https://") {
			t.Errorf("%s: no page to read", s.Name)
		}
	}
}

// A row whose signature is not HMAC-SHA256 of what the provider documents would still verify what Sign made. The
// published vectors say what it must be; here only: whatever is signed verifies, and says the same facts.
func TestWhatEverySchemeSignsItVerifies(t *testing.T) {
	schemes, secrets := every(t)
	for i, s := range schemes {
		holds := func(body []byte, seconds uint32, url string, number uint64) bool {
			now := time.Unix(int64(seconds), 0)
			r := Request{Method: "POST", URL: url, Body: body}
			id := "msg_" + strings.Repeat("x", int(number%200))
			headers, err := s.Sign(secrets[i], r, id, now)
			if err != nil {
				t.Log(err)
				return false
			}
			r.Header = headers
			v, err := s.Verify(r, []Secret{secrets[(i+1)%len(secrets)], secrets[i]}, now.Add(299*time.Second), Options{})
			if err != nil || v.Legacy {
				t.Log(err)
				return false
			}
			if s.None() {
				return v.Secret == -1 && v.Timestamp.IsZero()
			}
			if s.ID[0].Header != "" && v.DeliveryID != id || s.Timestamp.Header != "" && !v.Timestamp.Equal(now) {
				t.Logf("%+v", v)
				return false
			}
			return v.Secret >= 0 && v.Scheme == s.Name
		}
		if err := quick.Check(holds, nil); err != nil {
			t.Errorf("%s %s: %v", s.Name, s.Mark.Header, err)
		}
	}
}

func TestSignRefusesAnIDThatCouldNotBeVerified(t *testing.T) {
	schemes, secrets := every(t)
	for i, s := range schemes {
		if s.ID[0].Header == "" {
			continue
		}
		for _, id := range []string{"a\nb", "a\x00", strings.Repeat("x", MaxDeliveryID+1)} {
			if _, err := s.Sign(secrets[i], Request{}, id, time.Unix(1, 0)); err == nil {
				t.Errorf("%s signs the id %.20q", s.Name, id)
			}
		}
		_, err := s.Sign(secrets[i], Request{}, "", time.Unix(1, 0))
		if (err != nil) != s.signs(idPart) {
			t.Errorf("%s without an id: %v", s.Name, err)
		}
	}
}

func TestSignRefusesATimeThatCouldNotBeVerified(t *testing.T) {
	schemes, secrets := every(t)
	for i, s := range schemes {
		for _, now := range []time.Time{{}, time.Unix(-1, 0), time.Unix(1e11, 0)} {
			_, err := s.Sign(secrets[i], Request{}, "msg_1", now)
			if (err != nil) != (s.Timestamp.Header != "") {
				t.Errorf("%s at %v: %v", s.Name, now, err)
			}
		}
	}
}
