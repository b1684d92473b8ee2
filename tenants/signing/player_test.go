package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"time"
)

// player acts as a provider: it has the signing key, and the text of the secret that a source is configured with.
type player struct {
	Scheme
	Text     string
	Signer   Secret
	Verifier Secret // zero with "none"
	Options  Options
	Now      time.Time
}

type tester interface {
	Helper()
	Fatal(...any)
}

var keys = sync.OnceValue(func() (k struct {
	ed  ed25519.PrivateKey
	ec  *ecdsa.PrivateKey
	rsa *rsa.PrivateKey
}) {
	k.ed = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))
	var err error
	if k.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		panic(err)
	}
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	return k
})

// players returns one for each scheme of the table, for the second way of those that have one, and for "hmac" on some
// custom terms. Different n give different secrets.
func players(t tester, n byte) []player {
	t.Helper()
	var all []player
	for _, s := range Schemes() {
		all = append(all, newPlayer(t, s, n))
		if s.Also.Mark.Algorithm == Ed25519 {
			all = append(all, asymmetric(t, s, keys().ed, s.Also.Key))
		}
	}
	own, _ := Lookup("hmac")
	for _, c := range []Custom{
		{Header: "x-mac", Algorithm: "sha512", Encoding: "base64", Prefix: "sig=", IDHeader: "x-id", TypeField: "a.b"},
		{Algorithm: "sha1", SecretEncoding: "base64", TimestampHeader: "x-time", IDField: "id"},
		{TimestampHeader: "X-Time", TimestampUnit: "ms", Signed: "{method}\n{url}\n{body}.{timestamp}",
			SecretEncoding: "hex"},
		{IDHeader: "X-Id", TimestampHeader: "X-Time", Signed: "a{id}:{timestamp}b{body}c", TypeHeader: "X-Type"},
		{Header: "X-Sig", Prefix: "v1=", Separator: ", ", TimestampPrefix: "t=", Signed: "{timestamp},{body}"},
		{TimestampHeader: "X-Time", TimestampUnit: "rfc3339"},
		{Algorithm: "ed25519", SecretEncoding: "hex", Encoding: "base64"},
		{Algorithm: "ecdsa-p256", IDField: "[0].id"},
		{Algorithm: "rsa-sha256", Encoding: "base64"},
		{Algorithm: "token", Header: "Authorization", Prefix: "Bearer "},
	} {
		s, err := own.Customize(c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, newPlayer(t, s, n))
	}
	return all
}

func newPlayer(t tester, s Scheme, n byte) player {
	t.Helper()
	switch s.Mark.Algorithm {
	case Unverified:
		return player{Scheme: s}
	case Ed25519:
		return asymmetric(t, s, keys().ed, s.Key)
	case ECDSAP256:
		return asymmetric(t, s, keys().ec, s.Key)
	case RSASHA256:
		return asymmetric(t, s, keys().rsa, s.Key)
	}
	p := player{Scheme: s, Text: s.NewSecret(strings.NewReader(strings.Repeat(string('A'+rune(n)), 32)))}
	p.Signer = parse(t, s, p.Text)
	p.Verifier = p.Signer
	return p
}

func asymmetric(t tester, s Scheme, key crypto.Signer, form Key) player {
	t.Helper()
	p := player{Scheme: s}
	if s.Certificate.Header != "" {
		p.Text = "8PT597110X687430L"
		p.Options.Certificate = certificate(t, key, strings.Fields(s.Certificate.Names)[0], time.Unix(0, 0),
			time.Unix(1<<33, 0))
	} else {
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		if ed, ok := key.Public().(ed25519.PublicKey); ok {
			public = ed
		}
		p.Text = form.Prefix + base64.StdEncoding.EncodeToString(public)
		if form.Encoding == Hex {
			p.Text = hex.EncodeToString(public)
		}
	}
	var err error
	if p.Signer, err = s.Signer(p.Text, key); err != nil {
		t.Fatal(err)
	}
	p.Verifier = parse(t, s, p.Text)
	return p
}

func parse(t tester, s Scheme, text string) Secret {
	t.Helper()
	secret, err := s.ParseSecret(text)
	if err != nil {
		t.Fatal(s.Name, err)
	}
	return secret
}

func certificate(t tester, key crypto.Signer, name string, from, to time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from,
		NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// instant returns the time at which the player signs.
func (p *player) instant() time.Time {
	if p.Now.IsZero() {
		return time.Unix(1_700_000_000, 0)
	}
	return p.Now
}

// compose returns a request that the provider would send. payload is the body, or part of it if the scheme requires a
// certain form.
func (p *player) compose(t tester, payload []byte, id string) Request {
	t.Helper()
	now := p.instant()
	r := Request{Method: "POST", URL: "https://in.example/in/abc?x=1", Body: payload}
	const placeholder = "<signature>"
	body := func(format string, args ...any) { r.Body = fmt.Appendf(nil, format, args...) }
	quoted, err := json.Marshal(string(payload))
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string][]string{}
	switch p.Name {
	case "linear":
		body(`{"webhookTimestamp":%d,"data":%s}`, now.UnixMilli(), quoted)
	case "mailgun":
		body(`{"signature":{"timestamp":"%d","token":"token-of-%s","signature":"%s"},`+
			`"event-data":{"event":"opened","x":%s}}`, now.Unix(), id, placeholder, quoted)
	case "microsoft-graph":
		body(`{"value":[{"clientState":"%s","resource":%s},{"clientState":"%[1]s"}]}`, placeholder, quoted)
	case "adyen":
		body(`{"live":"false","notificationItems":[{"NotificationRequestItem":{`+
			`"additionalData":{"hmacSignature":"%s"},"amount":{"currency":"EUR","value":1000},`+
			`"eventCode":"AUTHORISATION","merchantAccountCode":"M","merchantReference":"R",`+
			`"pspReference":"%s","reason":%s,"success":"true"}}]}`, placeholder, id, quoted)
	case "twilio":
		body("Body=%s&From=%%2B15550100&To=", url.QueryEscape(string(payload)))
		headers["Content-Type"] = []string{"application/x-www-form-urlencoded; charset=utf-8"}
	case "twitter":
		body("{%s", payload)
	case "paypal":
		headers["Paypal-Transmission-Id"] = []string{"id-" + id}
		headers["Paypal-Cert-Url"] = []string{"https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594"}
	}
	r.Header = headers
	if p.Mark.Field != "" {
		text, err := p.Signature(p.Signer, r, id, now)
		if err != nil {
			t.Fatal(p.Name, err)
		}
		r.Body = []byte(strings.ReplaceAll(string(r.Body), placeholder, text))
	}
	signed, err := p.Sign(p.Signer, r, id, now)
	if err != nil {
		t.Fatal(p.Name, err)
	}
	for name, values := range signed {
		headers[name] = values
	}
	return r
}

// verify verifies r under the player's own secret.
func (p *player) verify(r Request) (Verified, error) {
	return p.Verify(r, []Secret{p.Verifier}, p.instant(), p.Options)
}

// shown returns the header with the signature of a composed request, and the signature alone.
func (p *player) shown(r Request) (header, signature string) {
	header = p.Mark.Header
	if p.Mark.Numbered > 0 {
		header += "-1"
	}
	value, prefix := r.Header[header][0], p.markOf(p.Signer).Prefix
	if prefix == "" {
		return header, value
	}
	return header, value[strings.LastIndex(value, prefix)+len(prefix):]
}
