package signing

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Handshake is a request with which a provider checks an endpoint before or between its webhooks, and the answer to
// it. The zero value means no handshake.
//
// The answer is plain text or JSON made from the template Answer, in which {echo} is the value to be echoed and {mac}
// is the scheme's MAC of it under the source's secret. The MAC of a value that a stranger chose could pass for the
// signature of a webhook. So a value that is echoed in JSON or covered by a MAC must consist of token characters,
// which no webhook body does, and a scheme that answers unsigned requests with a MAC never verifies such a body.
type Handshake struct {
	Method string // http.MethodGet or http.MethodPost
	In     Spot   // where When, Token and Echo are looked up
	// Signed requires the request to carry the scheme's signature. If false, the request must carry no signature
	// header at all.
	Signed bool
	// When must have the value Equals, or merely be present if Equals is empty; Unless must be absent.
	When, Equals, Unless string
	Token                string // names the value that must equal the source's verify token
	Echo                 string // names the value for {echo}
	Status               int
	ContentType          string // "" with 204
	Answer               string
}

// Spot is a part of a request that holds named values.
type Spot string

// The parts of a request that a handshake can read.
const (
	Query    Spot = "query"
	JSONBody Spot = "json"
	FormBody Spot = "form"
)

// Upper bounds of echoed values, in bytes.
const (
	maxEcho  = 512
	maxToken = 128 // in JSON or under a MAC
)

const (
	echoPart   = "{echo}"
	macPart    = "{mac}"
	plainText  = "text/plain; charset=utf-8"
	tokenChars = "-._~+/="
)

// Reply is the answer to a handshake. Send it unchanged, with X-Content-Type-Options: nosniff.
type Reply struct {
	Status      int
	ContentType string // "" means no body
	Body        []byte
}

// VerifyToken reports whether a handshake of the scheme needs a token that the tenant enters at the provider.
func (s Scheme) VerifyToken() bool { return s.Handshakes[0].Token != "" || s.Handshakes[1].Token != "" }

// Greet returns the answer to a handshake that the provider does not sign; asked is false if the request is not a
// handshake. verifyToken is the source's; a different one is refused with verify_token_mismatch. A value that no
// provider would ask to have echoed is refused with challenge_malformed. The error is an [*Error].
func (s Scheme) Greet(r Request, secrets []Secret, verifyToken string) (reply Reply, asked bool, err error) {
	for _, h := range s.Handshakes {
		if h.Status == 0 || h.Signed || h.Method != r.Method || !h.asked(r) {
			continue
		}
		if r.Method == http.MethodPost && s.Mark.Header != "" && len(r.values(s.Mark.Header)) > 0 {
			continue
		}
		if h.Token != "" {
			given, _ := h.value(r, h.Token)
			want, got := sha256.Sum256([]byte(verifyToken)), sha256.Sum256([]byte(given))
			if verifyToken == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
				return Reply{}, true, fail(VerifyTokenMismatch, h.Token+" is not the source's verify token")
			}
		}
		// A source with several secrets is being rotated: the provider uses the newest.
		secret := Secret{}
		for _, one := range secrets {
			if !one.IsZero() {
				secret = one
			}
		}
		reply, ok := h.answer(&s, r, secret)
		if !ok {
			return Reply{}, true, fail(ChallengeMalformed,
				h.Echo+" is not a value that a provider would ask to have echoed")
		}
		return reply, true, nil
	}
	return Reply{}, false, nil
}

// Challenge returns the answer to a signed handshake, if the request is one. v must be the result of [Scheme.Verify]
// for this request and these secrets.
func (s Scheme) Challenge(v Verified, r Request, secrets []Secret) (Reply, bool) {
	if s.None() || v.Scheme != s.Name || v.Secret < 0 || v.Secret >= len(secrets) {
		return Reply{}, false
	}
	for _, h := range s.Handshakes {
		if h.Signed && h.Method == r.Method && h.asked(r) {
			return h.answer(&s, r, secrets[v.Secret])
		}
	}
	return Reply{}, false
}

// asked reports whether the request is this handshake.
func (h Handshake) asked(r Request) bool {
	if h.Unless != "" {
		if _, present := h.value(r, h.Unless); present {
			return false
		}
	}
	if h.When == "" {
		return true
	}
	value, present := h.value(r, h.When)
	return present && (h.Equals == "" || value == h.Equals)
}

// value returns the named value. In a query or a form, a name that occurs more than once has no value.
func (h Handshake) value(r Request, name string) (string, bool) {
	var values []string
	switch h.In {
	case JSONBody:
		return jsonField(r.Body, name, maxEcho)
	case FormBody:
		if len(r.Body) <= maxEcho {
			values, _ = parameters(string(r.Body), name)
		}
	case Query:
		if len(r.URL) <= MaxHeader {
			values, _ = parameters(r.query(), name)
		}
	}
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

// answer fills in the template. ok is false if the value must not be echoed.
func (h Handshake) answer(s *Scheme, r Request, secret Secret) (_ Reply, ok bool) {
	reply := Reply{Status: h.Status, ContentType: h.ContentType}
	echo, mac := "", ""
	if h.Echo != "" {
		echo, _ = h.value(r, h.Echo)
		if !h.echoes(echo) {
			return Reply{}, false
		}
	}
	if strings.Contains(h.Answer, macPart) {
		if secret.IsZero() || !s.Mark.Algorithm.keyed() {
			return Reply{}, false
		}
		var buf [maxSum]byte
		mac = s.Mark.Encoding.encode(s.Mark.Algorithm.sum(buf[:], secret.material().raw, message{body: []byte(echo)}))
	}
	reply.Body = []byte(strings.NewReplacer(echoPart, echo, macPart, mac).Replace(h.Answer))
	return reply, true
}

// echoes reports whether the answer may contain text.
func (h Handshake) echoes(text string) bool {
	if h.ContentType != plainText || h.Answer != echoPart {
		return plain(text, maxToken, tokenChars)
	}
	return text != "" && len(text) <= maxEcho && printable(text)
}

// answerable reports whether the body could be the value in an unsigned handshake, whose answer is its MAC.
func (s *Scheme) answerable(body []byte) bool {
	for _, h := range s.Handshakes {
		if !h.Signed && strings.Contains(h.Answer, macPart) && len(body) <= maxToken &&
			plain(string(body), maxToken, tokenChars) {
			return true
		}
	}
	return false
}
