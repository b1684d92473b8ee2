package signing

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"
)

// FuzzVerify acts as every provider. A request is accepted as signed, and refused with the body, the signature or the
// timestamp altered, unless the signed bytes stay the same.
func FuzzVerify(f *testing.F) {
	all := players(f, 0)
	f.Add(uint8(0), []byte(`{"id":"evt_1","type":"t"}`), uint16(3), byte(1), "sha256=", "1700000000")
	f.Add(uint8(1), []byte(""), uint16(0), byte(0x20), "t=1700000000,v1=", "")
	f.Add(uint8(2), []byte("a"), uint16(9), byte(0), "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=", "NaN")
	f.Add(uint8(3), []byte(`{"type":"url_verification","challenge":"x"}`), uint16(1), byte(255), "v0=00", "1e18")
	f.Add(uint8(4), []byte(strings.Repeat("[", 10_000)), uint16(1), byte(4), "v1, v1,= v2,x", "-1")
	f.Add(uint8(9), []byte("\xff\xfe"), uint16(1), byte(4), strings.Repeat("sig=,", 999), "9223372036854775808")
	for n, p := range all {
		f.Add(uint8(n), []byte(`a=b&c=%20&c`), uint16(n), byte(n), p.Mark.Prefix, "2023-11-14T22:13:20Z")
	}
	f.Fuzz(func(t *testing.T, which uint8, payload []byte, at uint16, mask byte, signature, stamp string) {
		p := all[int(which)%len(all)]
		r := p.compose(t, payload, "msg_1")
		v, err := p.verify(r)
		if err != nil && p.answerable(r.Body) { // no provider sends this
			return
		}
		if err != nil || v.Scheme != p.Name {
			t.Fatalf("%s refuses what it signed: %v", p.Name, err)
		}
		if len(v.DeliveryID) > MaxDeliveryID || len(v.Type) > MaxType {
			t.Fatalf("%s returns %d bytes of id, %d of type", p.Name, len(v.DeliveryID), len(v.Type))
		}
		if reply, ok := p.Challenge(v, r, []Secret{p.Verifier}); ok &&
			(len(reply.Body) > 2*maxEcho || !printable(string(reply.Body))) {
			t.Fatalf("%s echoes %q", p.Name, reply.Body)
		}
		if p.None() {
			return
		}
		altered := r
		altered.Body = append([]byte(nil), r.Body...)
		if mask != 0 && len(r.Body) > 0 {
			altered.Body[int(at)%len(r.Body)] ^= mask
		} else {
			altered.Body = append(altered.Body, byte(at))
		}
		p.refused(t, "the body", altered, p.same(r, altered))
		if p.Mark.Field != "" {
			return
		}
		header, mac := p.shown(r)
		with := func(name, value string) Request {
			h := maps.Clone(r.Header)
			h[name] = []string{value}
			return Request{r.Method, r.URL, h, r.Body}
		}
		if !strings.Contains(strings.ToLower(signature), strings.ToLower(mac)) {
			p.refused(t, "the signature", with(header, signature), false)
		}
		if h := p.Timestamp.Header; h != "" && h != header && stamp != r.Header[h][0] {
			p.refused(t, "the timestamp", with(h, stamp), false)
		}
	})
}

// same reports whether two requests have the same signed bytes, for schemes that do not cover the whole body.
func (p *player) same(a, b Request) bool {
	if c := p.Covers(); c == Whole || c == Checksum { // a CRC-32 detects any change of up to four bytes in a row
		return false
	}
	signed := func(r Request) (string, bool) {
		c, _, err := p.collect(r, false)
		if err != nil {
			return "", false
		}
		m, err := fillIn(p.Signed, inputs{Request: r, secret: p.Verifier.material().raw, digest: p.Digest})
		mac, _ := p.Mark.read(c[0].text[0]) // upper-case hex is the same
		return fmt.Sprintf("%q %q", mac, m.whole()), err == nil
	}
	one, ok := signed(a)
	other, also := signed(b)
	return ok && also && one == other
}

// refused expects a refusal; with free any outcome is fine.
func (p *player) refused(t *testing.T, altered string, r Request, free bool) {
	t.Helper()
	o := p.Options
	o.AllowLegacy = true
	_, err := p.Verify(r, []Secret{{}, p.Verifier}, p.instant(), o)
	var e *Error
	if !free && !errors.As(err, &e) {
		t.Fatalf("%s with %s altered: %v, want a refusal", p.Name, altered, err)
	}
}

// FuzzJSONField compares jsonField with encoding/json on every body that the latter accepts.
func FuzzJSONField(f *testing.F) {
	for _, body := range []string{`{"id":"x","type":1}`, `{"event":{"type":"t"},"id":"\u0061"}`,
		`{"a":[{},[1,"]"]],"id":null}`,
		`{"id":"\ud800"}`, `{"id":-0.0e+1}`, `{"\\":1,"id":"\\"}`, `[`, `{"id":"a`, "{\"id\":\"\xff\"}",
		"{\"id\":\"\\uCCCd" + strings.Repeat("\x8e", 300) + `"}`, strings.Repeat(`{"event":`, 100)} {
		f.Add([]byte(body), true)
		f.Add([]byte(body), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, nested bool) {
		path := "id"
		if nested {
			path = "event.type"
		}
		const limit = 64
		got, found := jsonField(body, path, limit)
		if len(got) > limit+1 {
			t.Fatalf("got %d bytes, want at most %d", len(got), limit+1)
		}
		if !json.Valid(body) || nesting(body) > maxDepth {
			return
		}
		want, ok := reference(body, path)
		if len(want) > limit {
			if !found || len(got) <= limit {
				t.Fatalf("got %q, %v for a value that is too long, want it cut to %d bytes", got, found, limit+1)
			}
			return
		}
		// No JSON escape writes a byte in more than 6 bytes.
		if found != ok || ok && got != want {
			t.Fatalf("got %q, %v; encoding/json reads %q, %v", got, found, want, ok)
		}
	})
}

// FuzzTimestamp checks that exactly those texts are accepted that strconv writes for the same number.
func FuzzTimestamp(f *testing.F) {
	for _, text := range []string{"1700000000", "0", "00", "-1", "+1", "1e9", "NaN", "1700000000000", "99999999999",
		"１", " 1", ""} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, milli bool) {
		stamp := Timestamp{Header: "X-Time", Unit: Seconds, Tolerance: time.Minute}
		if milli {
			stamp.Unit = Milliseconds
		}
		at, err := stamp.parse(text)
		n, numErr := strconv.ParseInt(text, 10, 64)
		plain := numErr == nil && n >= 0 && strconv.FormatInt(n, 10) == text && n < 1e11
		if milli {
			plain = numErr == nil && n >= 0 && strconv.FormatInt(n, 10) == text && n < 1e14
		}
		if (err == nil) != plain {
			t.Fatalf("%q: error %v, want accepted: %v", text, err, plain)
		}
		if err != nil {
			return
		}
		if stamp.text(at) != text {
			t.Fatalf("%q is formatted as %q", text, stamp.text(at))
		}
		for _, now := range []time.Time{at.Add(time.Minute), at.Add(-time.Minute)} {
			if err := stamp.check(at, now, 0); err != nil {
				t.Fatalf("a request exactly at the tolerance is refused: %v", err)
			}
		}
		unit := time.Second
		if milli {
			unit = time.Millisecond
		}
		for _, now := range []time.Time{at.Add(time.Minute + unit), at.Add(-time.Minute - unit), {}} {
			if err := stamp.check(at, now, 0); err == nil {
				t.Fatal("a request beyond the tolerance is accepted")
			}
		}
	})
}

// FuzzStranger sends requests that need no secret to a source of every provider. None may be verified, and the answer
// to a handshake must be short, plain, and no signature of anything.
func FuzzStranger(f *testing.F) {
	all := players(f, 0)
	for n, p := range all {
		f.Add(uint8(n), true,
			[]byte(
				`{"value":[{"clientState":"x"}],"signature":{"timestamp":"1700000000","token":"t","signature":"00"}}`),
			"challenge=a&crc_token=b&validationToken=c",
			p.Mark.Prefix+"00", "1700000000")
		f.Add(uint8(n), false,
			[]byte(`{"notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":"AA=="}}}],`+
				`"webhookTimestamp":1700000000000}`),
			"hub.mode=subscribe&hub.verify_token=x&hub.challenge=%0a", "v1,,,", "2023-11-14T22:13:20Z")
	}
	f.Add(uint8(0), true, []byte("webhook_id=1"), "bodySHA256=00&%zz", strings.Repeat("v1=,t=", 999), "")
	f.Fuzz(func(t *testing.T, which uint8, post bool, body []byte, query, signature, stamp string) {
		p := all[int(which)%len(all)]
		r := Request{Method: "GET", URL: "https://in.example/in/abc?" + query, Body: body,
			Header: map[string][]string{}}
		if post {
			r.Method = "POST"
		}
		set := func(header, value string) {
			if header != "" && value != "" {
				r.Header[header] = []string{value}
			}
		}
		for _, header := range []string{p.Timestamp.Header, p.ID[0].Header, p.Certificate.Header,
			"Paypal-Transmission-Id", "Content-Type"} {
			set(header, stamp)
		}
		for _, header := range []string{p.Mark.Header, p.Mark.Header + "-1", p.Legacy[0].Header, p.Legacy[1].Header} {
			set(header, signature)
		}
		secrets := []Secret{p.Verifier}
		reply, asked, err := p.Greet(r, secrets, "a verify token")
		if asked && err == nil && (len(reply.Body) > 2*maxEcho || !printable(string(reply.Body))) {
			t.Fatalf("%s answers %q", p.Name, reply.Body)
		}
		if _, err := p.CertificateURL(r); err == nil && p.Certificate.Header != "" {
			t.Logf("%s", stamp) // one of the provider's own addresses
		}
		o := p.Options
		o.AllowLegacy = true
		v, err := p.Verify(r, secrets, p.instant(), o)
		if p.None() {
			return
		}
		if err == nil {
			t.Fatalf("%s accepts an unsigned request: %+v", p.Name, v)
		}
		if len(body) < 1000 {
			if hints := p.Hints(r, secrets, p.instant(), o); p.Covers() == Whole && len(hints) > 0 &&
				codeOf(err) == SignatureMismatch {
				t.Fatalf("%s: hints %q for an unsigned request, want none", p.Name, hints)
			}
		}
	})
}
