package signing

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// one returns the player of a row.
func one(t *testing.T, name string) player {
	t.Helper()
	for _, p := range players(t, 0) {
		if p.Name == name {
			return p
		}
	}
	t.Fatal("there is no player for ", name)
	return player{}
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

func replaced(r Request, old, new string) Request {
	r.Body = bytes.Replace(r.Body, []byte(old), []byte(new), 1)
	return r
}

// If a signature covers fields of a body, a repeated field could be read by others in place of the signed one.
func TestFieldsThatAreSignedStandOnce(t *testing.T) {
	p := one(t, "adyen")
	r := p.compose(t, []byte("x"), "psp1")
	if _, err := p.verify(r); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"the value altered":   {`"value":1000`, `"value":9000`, SignatureMismatch},
		"the outcome altered": {`"success":"true"`, `"success":"false"`, SignatureMismatch},
		"the outcome twice": {`"success":"true"`, `"success":"true","success":"false"`,
			BodyNotSigned},
		"the outcome twice, in another case": {`"success":"true"`, `"success":"true","SUCCESS":"false"`,
			BodyNotSigned},
		"the outcome twice, escaped": {`"success":"true"`, `"success":"true","\u0073uccess":"false"`,
			BodyNotSigned},
		"a second amount": {`"eventCode"`, `"amount":{"value":1,"currency":"EUR"},"eventCode"`,
			BodyNotSigned},
		"a second item": {`}}]}`, `}},{"NotificationRequestItem":{"eventCode":"REFUND"}}]}`,
			SignatureMissing},
		"a second list of items": {`"live":"false"`, `"notificationItems":[],"live":"false"`,
			SignatureMissing},
		"a field moved to where it is not read": {`"pspReference":"psp1"`, `"x":{"pspReference":"psp1"}`,
			SignatureMismatch},
		"an object in a field's place": {`"success":"true"`, `"success":{}`, BodyNotSigned},
		"nothing after the last field": {`"success":"true"}}]}`, `"success":"true"`, SignatureMissing},
		"a field moved between two that touch": {`"merchantAccountCode":"M","merchantReference":"R"`,
			`"merchantAccountCode":"M:R","merchantReference":""`, SignatureMismatch},
		"the signature gone": {`hmacSignature`, `hmacSignaturf`, SignatureMissing},
		"the body an array":  {`{"live"`, `[{"live"`, SignatureMissing},
		"something deep before a field": {`"eventCode"`, `"d":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) +
			`,"eventCode"`, SignatureMissing},
	} {
		if _, err := p.verify(replaced(r, c.old, c.new)); codeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if v, err := p.verify(r); err != nil || v.DeliveryID != "psp1:AUTHORISATION" || !v.IDSigned ||
		v.Type != "AUTHORISATION" {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestMailgunsTokenIsTheDeliveryAndTheEventIsNotCovered(t *testing.T) {
	p := one(t, "mailgun")
	r := p.compose(t, []byte("x"), "1")
	v, err := p.verify(r)
	if err != nil || v.DeliveryID != "token-of-1" || !v.IDSigned || v.Type != "opened" || p.Covers() != Fields {
		t.Fatalf("%+v, %v", v, err)
	}
	// Another event under the same token is accepted, as by Mailgun's own rule, and has the same delivery id, which
	// makes it a duplicate with another body.
	if v, err := p.verify(replaced(r, "opened", "failed")); err != nil || v.DeliveryID != "token-of-1" {
		t.Errorf("%+v, %v", v, err)
	}
	for _, c := range [][3]string{
		{"token-of-1", "token-of-2", SignatureMismatch}, {`"1700000000"`, `"1700000001"`, SignatureMismatch},
		{`"1700000000"`, `1700000000`, ""},
		{`"token":"token-of-1"`, `"token":"token-of-1","token":"2"`, BodyNotSigned},
		{`"timestamp"`, `"Timestamp"`, TimestampMissing},
	} {
		if _, err := p.verify(replaced(r, c[0], c[1])); codeOf(err) != c[2] {
			t.Errorf("%s: %v, want %s", c[1], err, c[2])
		}
	}
	if _, err := p.Verify(r, []Secret{p.Verifier}, p.instant().Add(9*time.Hour+time.Second),
		Options{}); codeOf(err) != TimestampOutOfRange {
		t.Errorf("after nine hours: %v, want %s", err, TimestampOutOfRange)
	}
}

func TestEveryNotificationOfGraphMustHaveTheClientState(t *testing.T) {
	p := one(t, "microsoft-graph")
	r := p.compose(t, []byte("x"), "")
	if _, err := p.verify(r); err != nil {
		t.Fatal(err)
	}
	state := string(p.Signer.material().raw)
	for name, c := range map[string]struct{ old, new, want string }{
		"another in the first": {state, "other-state", SignatureMismatch},
		"none in the first":    {`"clientState":"` + state + `",`, ``, SignatureMissing},
		"a third without":      {`}]`, `},{"resource":"r"}]`, SignatureMissing},
		"a third with another": {`}]`, `},{"clientState":"other"}]`, SignatureMismatch},
		"twice in the first": {`{"clientState"`, `{"clientState":"` + state + `","clientState"`,
			SignatureMissing},
		"an empty list": {string(r.Body), `{"value":[]}`, SignatureMissing},
		"no list":       {string(r.Body), `{"clientState":"` + state + `"}`, SignatureMissing},
		"more than a thousand": {`}]`, `}` + strings.Repeat(`,{"clientState":"`+state+`"}`, 1000) + `]`,
			SignatureMissing},
		"a number that looks the same": {`"` + state + `"`, `1`, SignatureMismatch},
	} {
		if _, err := p.verify(replaced(r, c.old, c.new)); codeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestTwilioSignsTheFieldsOfAFormAndTheHashOfAnythingElse(t *testing.T) {
	p := one(t, "twilio")
	r := p.compose(t, []byte("a b"), "")
	json := Request{Method: "POST",
		URL:    "https://in.example/in/abc?bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
		Body:   []byte("{}"),
		Header: map[string][]string{"Content-Type": {"application/json"}}}
	h, err := p.Sign(p.Signer, json, "", p.instant())
	if err != nil {
		t.Fatal(err)
	}
	json.Header["X-Twilio-Signature"] = h["X-Twilio-Signature"]
	with := func(r Request, header, value string) Request {
		r.Header = map[string][]string{"X-Twilio-Signature": r.Header["X-Twilio-Signature"], header: {value}}
		return r
	}
	at := func(r Request, url string) Request { r.URL = url; return r }
	empty := Request{Method: "POST", URL: "https://in.example/in/abc", Header: map[string][]string{}}
	for name, c := range map[string]struct {
		r    Request
		want string
	}{
		"as sent": {r, ""},
		"the fields in another order": {replaced(Request{r.Method, r.URL, r.Header,
			[]byte("To=&From=%2B15550100&Body=a%20b")}, "", ""), ""},
		"a field altered":               {replaced(r, "15550100", "15550101"), SignatureMismatch},
		"a field more":                  {replaced(r, "Body", "A=&Body"), SignatureMismatch},
		"a field twice":                 {replaced(r, "To=", "To=&To="), BodyNotSigned},
		"a field with two values":       {replaced(r, "To=", "To=&To=1"), SignatureMismatch},
		"broken escapes":                {replaced(r, "a+b", "a%zzb"), BodyNotSigned},
		"a form that says it is JSON":   {with(r, "Content-Type", "application/json"), BodyNotSigned},
		"a form without a content type": {with(r, "X", ""), BodyNotSigned},
		"another URL":                   {at(r, "https://in.example/in/abd?x=1"), SignatureMismatch},
		"another query":                 {at(r, "https://in.example/in/abc?x=2"), SignatureMismatch},
		"the URL with its port":         {at(r, "https://in.example:443/in/abc?x=1"), ""},
		"the URL with another port":     {at(r, "https://in.example:8443/in/abc?x=1"), ""},
		"another scheme":                {at(r, "http://in.example/in/abc?x=1"), SignatureMismatch},
		"JSON under its hash":           {json, ""},
		"JSON altered under its hash":   {replaced(json, "{}", "{ }"), BodyNotSigned},
		"JSON whose hash is repeated":   {at(json, json.URL+"&bodySHA256=00"), BodyNotSigned},
		"JSON whose hash is gone":       {at(json, "https://in.example/in/abc"), BodyNotSigned},
		"JSON whose hash is not hex":    {at(json, "https://in.example/in/abc?bodySHA256=zz"), BodyNotSigned},
		"more pairs than a thousand":    {replaced(r, "To=", strings.Repeat("x=&", 1001)), BodyNotSigned},
		"nothing, under a signature of another": {with(empty, "X-Twilio-Signature", r.Header["X-Twilio-Signature"][0]),
			SignatureMismatch},
	} {
		if _, err := p.verify(c.r); codeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Row 34: a signature over the URL is never checked against Host or the forwarding headers.
func TestAttack34HostAndForwardedHeadersAreNotTheAddress(t *testing.T) {
	for _, name := range []string{"twilio", "square", "hubspot"} {
		p := one(t, name)
		r := p.compose(t, []byte("x"), "")
		spoofed := r
		spoofed.URL = "https://evil.example/in/abc?x=1"
		for _, h := range []string{"Host", "X-Forwarded-Host", "Forwarded", "X-Original-Url"} {
			spoofed.Header[h] = []string{"in.example"}
		}
		spoofed.Header["X-Forwarded-Proto"] = []string{"https"}
		if _, err := p.verify(spoofed); codeOf(err) != SignatureMismatch {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHubSpotsAddressIsSignedWithPlainEscapesUndone(t *testing.T) {
	p := one(t, "hubspot")
	r := p.compose(t, []byte("x"), "")
	r.URL = "https://in.example/in/abc?a=%2Fb%3A%20c"
	h, err := p.Sign(p.Signer, Request{r.Method, "https://in.example/in/abc?a=/b:%20c", nil, r.Body}, "", p.instant())
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h
	if _, err := p.verify(r); err != nil {
		t.Error(err)
	}
}

func TestAnyOfDocuSignsNumberedSignaturesMayBeRight(t *testing.T) {
	p := one(t, "docusign")
	const wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for _, n := range []int{1, 2, 50, 100, 101} {
		r := p.compose(t, []byte("{}"), "")
		right := r.Header["X-Docusign-Signature-1"]
		for i := range 100 {
			r.Header[fmt.Sprintf("X-Docusign-Signature-%d", i+1)] = []string{wrong}
		}
		r.Header[fmt.Sprintf("X-Docusign-Signature-%d", n)] = right
		if _, err := p.verify(r); (err == nil) != (n <= 100) {
			t.Errorf("at %d: %v", n, err)
		}
	}
	r := p.compose(t, []byte("{}"), "")
	right := r.Header["X-Docusign-Signature-1"]
	for name, c := range map[string]struct {
		header map[string][]string
		want   string
	}{
		"without a number": {map[string][]string{"X-Docusign-Signature": right}, SignatureMissing},
		"with zero":        {map[string][]string{"X-Docusign-Signature-0": right}, SignatureMissing},
		"twice":            {map[string][]string{"X-Docusign-Signature-1": {right[0], right[0]}}, SignatureDuplicate},
		"joined": {map[string][]string{"X-Docusign-Signature-1": {right[0] + "," + right[0]}},
			SignatureDuplicate},
		"empty":            {map[string][]string{"X-Docusign-Signature-1": {""}}, SignatureMissing},
		"unreadable first": {map[string][]string{"X-Docusign-Signature-1": {"x"}, "X-Docusign-Signature-2": right}, ""},
	} {
		r.Header = c.header
		if _, err := p.verify(r); codeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestCertificatesOfOthersDoNotSign(t *testing.T) {
	p := one(t, "paypal")
	r := p.compose(t, []byte(`{"id":"WH-1","event_type":"X"}`), "t1")
	if v, err := p.verify(r); err != nil || v.DeliveryID != "WH-1" || v.IDSigned {
		t.Fatalf("%+v, %v", v, err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	from, to := time.Unix(0, 0), time.Unix(1<<33, 0)
	name := strings.Fields(p.Certificate.Names)[0]
	for what, c := range map[string]struct {
		o    Options
		want string
	}{
		"none": {Options{}, CertificateMissing},
		"of another name": {Options{Certificate: certificate(t, keys().rsa, "evil.example", from, to)},
			CertificateRefused},
		"of a name like it": {Options{Certificate: certificate(t, keys().rsa, name+".evil.example", from, to)},
			CertificateRefused},
		"that has ended": {Options{Certificate: certificate(t, keys().rsa, name, from,
			p.instant().Add(-time.Second))}, CertificateRefused},
		"that has not begun": {Options{Certificate: certificate(t, keys().rsa,
			name, p.instant().Add(time.Second), to)}, CertificateRefused},
		"with another key": {Options{Certificate: certificate(t, other, name, from, to)}, SignatureMismatch},
		"with a key of another kind": {Options{Certificate: certificate(t, keys().ed, name, from, to)},
			SignatureMismatch},
	} {
		if _, err := p.Verify(r, []Secret{p.Verifier}, p.instant(), c.o); codeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
	otherWebhook := p
	otherWebhook.Verifier = parse(t, p.Scheme, "ANOTHERWEBHOOKSID")
	if _, err := otherWebhook.verify(r); codeOf(err) != SignatureMismatch {
		t.Errorf("for another webhook: %v, want %s", err, SignatureMismatch)
	}
	r.Header["Paypal-Transmission-Id"] = []string{"a|b"}
	if _, err := p.verify(r); codeOf(err) != SignatureMalformed {
		t.Errorf("an id that contains the separator: %v, want %s", err, SignatureMalformed)
	}
}

func TestCertificatesAreFetchedFromThePinnedHostsOnly(t *testing.T) {
	s := one(t, "paypal").Scheme
	const good = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270"
	for address, want := range map[string]bool{
		good: true,
		"https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1": true,
		"": false, "x": false,
		"http://api.paypal.com/v1/notifications/certs/CERT-1":                       false,
		"https://api.paypal.com:8443/v1/notifications/certs/CERT-1":                 false,
		"https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1":         false,
		"https://evil.example/v1/notifications/certs/CERT-1":                        false,
		"https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1":         false,
		"https://evilapi.paypal.com/v1/notifications/certs/CERT-1":                  false,
		"https://API.PAYPAL.COM/v1/notifications/certs/CERT-1":                      false,
		"https://api.paypal.com/v1/notifications/certs/../../x":                     false,
		"https://api.paypal.com/v1/notifications/certs/a/b":                         false,
		"https://api.paypal.com/v1/notifications/certs/%2e%2e":                      false,
		"https://api.paypal.com/v1/notifications/certs/a?b":                         false,
		"https://api.paypal.com/v1/notifications/certs/a#b":                         false,
		"https://api.paypal.com/v1/notifications/certs/":                            false,
		"https://api.paypal.com/v2/notifications/certs/CERT-1":                      false,
		"https://api.paypal.com/v1/notifications/certs/" + strings.Repeat("x", 129): false,
		" " + good: false, good + "\n": false,
	} {
		r := Request{Header: map[string][]string{"Paypal-Cert-Url": {address}}}
		if got, err := s.CertificateURL(r); (err == nil) != want || want && got != address {
			t.Errorf("%q: got %q, %v; want accepted: %v", address, got, err, want)
		}
	}
	if _, err := s.CertificateURL(Request{Header: map[string][]string{"Paypal-Cert-Url": {good, good}}}); codeOf(err) !=
		SignatureDuplicate {
		t.Errorf("repeated header: %v, want %s", err, SignatureDuplicate)
	}
	if got, err := one(t, "github").CertificateURL(Request{}); got != "" || err != nil {
		t.Errorf("github: got %q, %v; want no address", got, err)
	}
}

// The source's secret decides which kind of signature counts; another kind in the request is an unknown version.
func TestTheSecretsKindSaysWhichSignatureCounts(t *testing.T) {
	var mac, public player
	for _, p := range players(t, 0) {
		if p.Name != "svix" {
			continue
		}
		if p.markOf(p.Signer).Algorithm == Ed25519 {
			public = p
		} else {
			mac = p
		}
	}
	a, b := mac.compose(t, []byte("{}"), "msg_1"), public.compose(t, []byte("{}"), "msg_1")
	if !strings.HasPrefix(b.Header["Svix-Signature"][0], "v1a,") {
		t.Fatalf("%s", b.Header["Svix-Signature"])
	}
	if _, err := mac.verify(b); codeOf(err) != SignatureMismatch {
		t.Errorf("v1a under a whsec_: %v", err)
	}
	if _, err := public.verify(a); codeOf(err) != SignatureMismatch {
		t.Errorf("v1 under a whpk_: %v", err)
	}
	// The public key is not secret: accepted as an HMAC key it would let anyone sign.
	forger := mac
	forger.Signer = Secret{func() material { return material{raw: keys().ed.Public().(ed25519.PublicKey)} }}
	if _, err := public.verify(forger.compose(t, []byte("{}"), "msg_1")); codeOf(err) != SignatureMismatch {
		t.Errorf("an HMAC under the public key: %v", err)
	}
	both := a
	both.Header["Svix-Signature"] = []string{a.Header["Svix-Signature"][0] + " " + b.Header["Svix-Signature"][0]}
	for _, p := range []player{mac, public} {
		if _, err := p.verify(both); err != nil {
			t.Errorf("both, under a %.6s: %v", p.Text, err)
		}
	}
	if v, err := mac.Verify(both, []Secret{{}, mac.Verifier, public.Verifier}, mac.instant(), Options{}); err != nil ||
		v.Secret != 1 {
		t.Errorf("both secrets: %+v, %v", v, err)
	}
}

func TestDeliveryOfEqualBodiesIsOneWhereTheProviderGivesNoID(t *testing.T) {
	p := one(t, "calendly")
	a, err := p.verify(p.compose(t, []byte(`{"event":"x","n":1}`), ""))
	b, errB := p.verify(p.compose(t, []byte(`{"event":"x","n":1}`), ""))
	c, errC := p.verify(p.compose(t, []byte(`{"event":"x","n":2}`), ""))
	if err != nil || errB != nil || errC != nil || a.DeliveryID != b.DeliveryID || a.DeliveryID == c.DeliveryID ||
		!a.IDSigned || len(a.DeliveryID) != 64 {
		t.Errorf("%+v, %+v, %+v", a, b, c)
	}
}

// Row 15: bytes cannot be moved from one part of an id to the next.
func TestAttack15JoinedIDsAreUnambiguous(t *testing.T) {
	seen := map[string]string{}
	for _, parts := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"a:b", "c"}, {"a", "b:c"}, {`a\`, ":b"}, {`a\:`, "b"},
		{"a", ":b"}} {
		r := Request{Body: fmt.Appendf(nil, `{"x":%q,"y":%q}`, parts[0], parts[1])}
		id, ok := r.at(Place{Field: "x+y"}, MaxDeliveryID)
		if before := seen[id]; !ok || before != "" {
			t.Errorf("%q and %s both have the id %q", parts, before, id)
		}
		seen[id] = fmt.Sprint(parts)
	}
}
