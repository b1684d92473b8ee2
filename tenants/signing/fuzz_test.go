package signing

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

// every is each scheme of the table and "hmac" on some terms of a tenant's own, with a secret.
func every(t testing.TB) (schemes []Scheme, secrets []Secret) {
	t.Helper()
	schemes = Schemes()
	hmac, _ := Lookup("hmac")
	for _, c := range []Custom{
		{Header: "x-mac", Algorithm: "sha512", Encoding: "base64", Prefix: "sig=", IDHeader: "x-id", TypeField: "a.b"},
		{Algorithm: "sha1", SecretEncoding: "base64", TimestampHeader: "x-time", IDField: "id"},
		{TimestampHeader: "X-Time", TimestampUnit: "ms", Signed: "{method}\n{url}\n{body}.{timestamp}", SecretEncoding: "hex"},
		{IDHeader: "X-Id", TimestampHeader: "X-Time", Signed: "a{id}:{timestamp}b{body}c", TypeHeader: "X-Type"},
	} {
		s, err := hmac.Customize(c)
		if err != nil {
			t.Fatal(err)
		}
		schemes = append(schemes, s)
	}
	for _, s := range schemes {
		if s.None() {
			secrets = append(secrets, Secret{})
			continue
		}
		secret, err := s.ParseSecret(s.NewSecret(strings.NewReader("0123456789abcdef0123456789abcdef")))
		if err != nil {
			t.Fatal(s.Name, err)
		}
		secrets = append(secrets, secret)
	}
	return schemes, secrets
}

// FuzzVerify signs a body under every scheme. As signed it is accepted; with the body, the signature header or the
// timestamp header altered it is not, unless the alteration still holds the right signature.
func FuzzVerify(f *testing.F) {
	schemes, secrets := every(f)
	f.Add(uint8(0), []byte(`{"id":"evt_1","type":"t"}`), uint16(3), byte(1), "sha256=", "1700000000")
	f.Add(uint8(1), []byte(""), uint16(0), byte(0x20), "t=1700000000,v1=", "")
	f.Add(uint8(2), []byte("a"), uint16(9), byte(0), "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=", "NaN")
	f.Add(uint8(3), []byte(`{"type":"url_verification","challenge":"x"}`), uint16(1), byte(255), "v0=00", "1e18")
	f.Add(uint8(4), []byte(strings.Repeat("[", 10_000)), uint16(1), byte(4), "v1, v1,= v2,x", "-1")
	f.Add(uint8(9), []byte("\xff\xfe"), uint16(1), byte(4), strings.Repeat("sig=,", 999), "9223372036854775808")
	now := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, which uint8, body []byte, at uint16, mask byte, signature, stamp string) {
		n := int(which) % len(schemes)
		s, keys := schemes[n], []Secret{{}, secrets[n]}
		r := Request{Method: "POST", URL: "https://in.example/in/t", Body: body}
		headers, err := s.Sign(secrets[n], r, "msg_1", now)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = headers
		v, err := s.Verify(r, keys, now, Options{})
		if err != nil || v.Scheme != s.Name {
			t.Fatalf("%s refuses what it signed: %v", s.Name, err)
		}
		if len(v.DeliveryID) > MaxDeliveryID || len(v.Type) > MaxType {
			t.Fatalf("%s gives %d bytes of id, %d of type", s.Name, len(v.DeliveryID), len(v.Type))
		}
		if reply, ok := s.Challenge(v, r); ok && (len(reply.Body) > maxEcho || !printable(string(reply.Body))) {
			t.Fatalf("%s echoes %q", s.Name, reply.Body)
		}
		if s.None() {
			return
		}
		refused := func(what string, r Request, o Options) {
			_, err := s.Verify(r, keys, now, o)
			var e *Error
			if !errors.As(err, &e) || e.Code == "" {
				t.Fatalf("%s with %s altered: %v", s.Name, what, err)
			}
		}
		altered := append([]byte(nil), body...)
		if mask != 0 && len(body) > 0 {
			altered[int(at)%len(body)] ^= mask
		} else {
			altered = append(altered, byte(at))
		}
		refused("the body", Request{r.Method, r.URL, headers, altered}, Options{AllowLegacy: true})

		right := headers[s.Mark.Header][0]
		mac := right[strings.LastIndex(right, s.Mark.Prefix)+len(s.Mark.Prefix):]
		with := func(name, value string) Request {
			h := map[string][]string{}
			for k, v := range headers {
				h[k] = v
			}
			h[name] = []string{value}
			return Request{r.Method, r.URL, h, body}
		}
		if !strings.Contains(strings.ToLower(signature), strings.ToLower(mac)) {
			refused("the signature", with(s.Mark.Header, signature), Options{AllowLegacy: true})
		}
		if h := s.Timestamp.Header; h != "" && h != s.Mark.Header && stamp != headers[h][0] {
			refused("the timestamp", with(h, stamp), Options{AllowLegacy: true})
		}
	})
}

// FuzzJSONField compares with encoding/json wherever that reads the body.
func FuzzJSONField(f *testing.F) {
	for _, body := range []string{`{"id":"x","type":1}`, `{"event":{"type":"t"},"id":"\u0061"}`, `{"a":[{},[1,"]"]],"id":null}`,
		`{"id":"\ud800"}`, `{"id":-0.0e+1}`, `{"\\":1,"id":"\\"}`, `[`, `{"id":"a`, "{\"id\":\"\xff\"}",
		strings.Repeat(`{"event":`, 100)} {
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
		if len(got) > 6*limit {
			t.Fatalf("%d bytes", len(got))
		}
		if !json.Valid(body) || nesting(body) > maxDepth {
			return
		}
		want, there := reference(body, path)
		if len(want) > limit {
			if !found || len(got) <= limit {
				t.Fatalf("%q, %v for a value that is too long", got, found)
			}
			return
		}
		// A value within the limit written in more than 6 bytes a byte: not by any JSON escape.
		if found != there || there && got != want {
			t.Fatalf("%q, %v; encoding/json says %q, %v", got, found, want, there)
		}
	})
}

// FuzzTimestamp: what is accepted is exactly what strconv writes for the same number.
func FuzzTimestamp(f *testing.F) {
	for _, text := range []string{"1700000000", "0", "00", "-1", "+1", "1e9", "NaN", "1700000000000", "99999999999", "１", " 1", ""} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, milli bool) {
		stamp := Timestamp{Header: "X-Time", Unit: time.Second, Tolerance: time.Minute}
		if milli {
			stamp.Unit = time.Millisecond
		}
		at, err := stamp.parse(text)
		n, numErr := strconv.ParseInt(text, 10, 64)
		plain := numErr == nil && n >= 0 && strconv.FormatInt(n, 10) == text && n < 1e11
		if milli {
			plain = numErr == nil && n >= 0 && strconv.FormatInt(n, 10) == text && n < 1e14
		}
		if (err == nil) != plain {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			return
		}
		if stamp.text(at) != text {
			t.Fatalf("%q is written back as %q", text, stamp.text(at))
		}
		for _, now := range []time.Time{at.Add(time.Minute), at.Add(-time.Minute)} {
			if err := stamp.check(at, now, 0); err != nil {
				t.Fatalf("at the tolerance: %v", err)
			}
		}
		for _, now := range []time.Time{at.Add(time.Minute + stamp.Unit), at.Add(-time.Minute - stamp.Unit), {}} {
			if err := stamp.check(at, now, 0); err == nil {
				t.Fatal("over the tolerance and accepted")
			}
		}
	})
}
