package signing_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/signing"
)

func TestTermsThatCannotWorkAreRefusedWithTheReason(t *testing.T) {
	for _, c := range []struct {
		name   string
		scheme string
		terms  signing.Custom
		reason string
	}{
		{"another header for a provider", "github", signing.Custom{Header: "X-Mine"}, "does not allow custom terms"},
		{"an id header for a provider", "stripe", signing.Custom{IDHeader: "X-Mine"}, "does not allow custom terms"},
		{"a signature for none", "none", signing.Custom{Header: "X-Mine"}, "for the id and the type only"},
		{"a token with an encoding", "hmac", signing.Custom{Algorithm: "token", Encoding: "hex"},
			"encoding must be left out"},
		{"a token with signed bytes", "hmac", signing.Custom{Algorithm: "token", Signed: "{body}"}, "signs nothing"},
		{"a token with a timestamp", "hmac", signing.Custom{Algorithm: "token", TimestampHeader: "X-Time"},
			"signs nothing"},
		{"a public key as text", "hmac", signing.Custom{Algorithm: "ed25519", SecretEncoding: "text"}, "base64 or hex"},
		{"the secret in the template", "hmac", signing.Custom{Signed: "{secret}{body}"}, "no placeholders other than"},
		{"a checksum in the template", "hmac", signing.Custom{Signed: "{crc32}"}, "{body} exactly once"},
		{"a field in the template", "hmac", signing.Custom{Signed: "{json:id}{body}"}, "no placeholders other than"},
		{"a plain hash", "hmac", signing.Custom{Algorithm: "plain"}, "sha256, sha512 or sha1"},
		{"a separator of letters", "hmac", signing.Custom{Prefix: "v1=", Separator: "ab"}, "separator"},
		{"a separator that is base64", "hmac", signing.Custom{Prefix: "v1=", Separator: "="}, "separator"},
		{"a long separator", "hmac", signing.Custom{Prefix: "v1=", Separator: ",,,,,"}, "separator"},
		{"a separator without a prefix", "hmac", signing.Custom{Separator: ","}, "needs a prefix"},
		{"timestamps in two places", "hmac", signing.Custom{TimestampHeader: "X-Time", TimestampField: "t"},
			"in one place"},
		{"a timestamp next to one signature", "hmac", signing.Custom{Prefix: "v1=", TimestampPrefix: "t="},
			"needs a separator"},
		{"a timestamp with the signature's prefix", "hmac",
			signing.Custom{Prefix: "v1=", Separator: ",", TimestampPrefix: "v1=t"}, "differs from the signature's"},
		{"an invalid timestamp field", "hmac", signing.Custom{TimestampField: "a..b"}, "member names"},
		{"a timestamp's prefix of 33 bytes", "hmac",
			signing.Custom{Prefix: "v1=", Separator: ",", TimestampPrefix: strings.Repeat("t", 33)}, "prefix"},
		{"an array's second element", "none", signing.Custom{IDField: "[1].id"}, "member names"},
		{"every element", "none", signing.Custom{IDField: "[each].id"}, "member names"},
		{"space in a header", "hmac", signing.Custom{Header: "X Mine"}, "header name"},
		{"colon in a header", "hmac", signing.Custom{Header: "X-Mine:"}, "header name"},
		{"line end in a header", "hmac", signing.Custom{Header: "X-Mine\r\nX"}, "header name"},
		{"umlaut in a header", "hmac", signing.Custom{Header: "X-Größe"}, "header name"},
		{"header of 129 bytes", "hmac", signing.Custom{Header: strings.Repeat("x", 129)}, "header name"},
		{"transport's header", "hmac", signing.Custom{Header: "content-length"}, "transport"},
		{"Host as the id", "hmac", signing.Custom{IDHeader: "host"}, "transport"},
		{"md5", "hmac", signing.Custom{Algorithm: "md5"}, "sha256, sha512 or sha1"},
		{"algorithm in upper case", "hmac", signing.Custom{Algorithm: "SHA256"}, "sha256, sha512 or sha1"},
		{"algorithm none", "hmac", signing.Custom{Algorithm: "none"}, "sha256, sha512 or sha1"},
		{"signature as text", "hmac", signing.Custom{Encoding: "text"}, "hex or base64"},
		{"unknown secret encoding", "hmac", signing.Custom{SecretEncoding: "base32"}, "text, hex or base64"},
		{"control character in the prefix", "hmac", signing.Custom{Prefix: "a\tb"}, "prefix"},
		{"prefix that begins with a space", "hmac", signing.Custom{Prefix: " sig="}, "prefix"},
		{"prefix of 33 bytes", "hmac", signing.Custom{Prefix: strings.Repeat("x", 33)}, "prefix"},
		{"timestamp in the signature's header", "hmac", signing.Custom{Header: "X-A", TimestampHeader: "x-a"},
			"different headers"},
		{"id in the signature's header", "hmac", signing.Custom{Header: "X-A", IDHeader: "x-a"}, "different headers"},
		{"id in the timestamp's header", "hmac", signing.Custom{TimestampHeader: "X-A", IDHeader: "x-a"},
			"different headers"},
		{"unit in minutes", "hmac", signing.Custom{TimestampHeader: "X-A", TimestampUnit: "m"}, "s, ms or rfc3339"},
		{"unit without a timestamp", "hmac", signing.Custom{TimestampUnit: "ms"}, "needs a timestamp header"},
		{"timestamp that is not signed", "hmac", signing.Custom{TimestampHeader: "X-A", Signed: "{body}"}, "unsigned"},
		{"signed timestamp without a header", "hmac", signing.Custom{Signed: "{timestamp}.{body}"}, "unsigned"},
		{"signed id without a header", "hmac", signing.Custom{Signed: "{id}.{body}"}, "id header"},
		{"signed id in a field", "hmac", signing.Custom{Signed: "{id}.{body}", IDField: "id"}, "id header"},
		{"body not signed", "hmac", signing.Custom{IDHeader: "X-Id", Signed: "{id}"}, "{body} exactly once"},
		{"body signed twice", "hmac", signing.Custom{Signed: "{body}{body}"}, "{body} exactly once"},
		{"url signed twice", "hmac", signing.Custom{Signed: "{url}{url}{body}"}, "more than once"},
		{"unknown part", "hmac", signing.Custom{Signed: "{secret}{body}"}, "no placeholders other than"},
		{"open brace", "hmac", signing.Custom{Signed: "{body}{"}, "no placeholders other than"},
		{"control character in the template", "hmac", signing.Custom{Signed: "\x00{body}"}, "printable"},
		{"template of 129 bytes", "hmac", signing.Custom{Signed: "{body}" + strings.Repeat("x", 123)},
			"longer than 128"},
		{"empty name in a field", "none", signing.Custom{IDField: "a..b"}, "member names"},
		{"brackets in a field", "none", signing.Custom{TypeField: "a[0]"}, "member names"},
		{"field of 129 bytes", "none", signing.Custom{TypeField: strings.Repeat("x", 129)}, "member names"},
	} {
		s, err := scheme(t, c.scheme).Customize(c.terms)
		if got := code(t, err); got != signing.BadTerms || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v, want a reason with %q", c.name, err, c.reason)
		}
		if s != (signing.Scheme{}) {
			t.Errorf("%s: refused, but a scheme was returned", c.name)
		}
	}
}

func TestNoTermsLeaveEverySchemeAsItIs(t *testing.T) {
	for _, s := range signing.Schemes() {
		if got, err := s.Customize(signing.Custom{}); err != nil || got != s {
			t.Errorf("%s: got %+v, %v, want the scheme unchanged", s.Name, got, err)
		}
	}
}

func TestTermsOfOneTenantLeaveTheTableAsItIs(t *testing.T) {
	before := scheme(t, "hmac")
	if _, err := before.Customize(signing.Custom{Header: "X-Mine", IDField: "id"}); err != nil {
		t.Fatal(err)
	}
	all := signing.Schemes()
	all[0].Mark.Header = "X-Changed"
	if scheme(t, "hmac") != before || scheme(t, "github").Mark.Header != "X-Hub-Signature-256" {
		t.Error("the table was changed")
	}
}

// The signed bytes, written out and computed without this package.
func TestSignatureCoversExactlyTheTemplate(t *testing.T) {
	s, err := scheme(t, "hmac").Customize(signing.Custom{
		IDHeader: "X-Id", TimestampHeader: "X-Time", Signed: "a:{method}{url};{id};b{body}c{timestamp}\nd",
	})
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(secretText(s, 0)))
	mac.Write([]byte("a:POSThttps://in.example/in/abc;msg_1;b{\"n\":1}c1700000000\nd"))
	r := signed(t, s, `{"n":1}`)
	if got, want := r.Header["X-Signature"][0], hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
	r.Header["X-Time"] = []string{"1700000001"}
	if got := verify(t, s, r, signing.Options{}); got != signing.SignatureMismatch {
		t.Errorf("timestamp after the body altered: got %q, want %q", got, signing.SignatureMismatch)
	}
}

func TestTermsAreWhatIsVerified(t *testing.T) {
	s, err := scheme(t, "hmac").Customize(signing.Custom{
		Header: "x-my-mac", Algorithm: "sha512", Encoding: "base64", Prefix: "HMAC ", SecretEncoding: "base64",
		TimestampHeader: "x-my-time", Signed: "{method} {url}\n{id};{timestamp};{body}",
		IDHeader: "x-my-id", IDField: "id", TypeHeader: "x-my-type", TypeField: "event.kind",
	})
	if err != nil {
		t.Fatal(err)
	}
	r := signed(t, s, `{"event":{"kind":"made"}}`)
	if got := r.Header["X-My-Mac"][0]; !strings.HasPrefix(got, "HMAC ") || len(got) != 5+88 {
		t.Errorf("signed as %q", got)
	}
	v, err := s.Verify(r, []signing.Secret{secret(t, s, 0)}, clock, signing.Options{})
	if err != nil || v.DeliveryID != "msg_1" || !v.IDSigned || v.Type != "made" || !v.Timestamp.Equal(clock) {
		t.Errorf("%+v, %v", v, err)
	}
	for part, alter := range map[string]func(r *signing.Request){
		"method": func(r *signing.Request) { r.Method = "PUT" },
		"url":    func(r *signing.Request) { r.URL = "https://elsewhere.example/in/abc" },
		"body":   func(r *signing.Request) { r.Body = append([]byte(" "), r.Body...) },
	} {
		altered := r
		alter(&altered)
		if got := verify(t, s, altered, signing.Options{}); got != signing.SignatureMismatch {
			t.Errorf("%s altered: got %q, want %q", part, got, signing.SignatureMismatch)
		}
	}
}
