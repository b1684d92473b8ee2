package signing

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Handshake is a question that the provider asks before or between its webhooks, and its answer. The zero value is none.
//
// The answer is plain text or JSON made of the template Answer, in which {echo} is what the provider sent to have it back and
// {mac} is the scheme's MAC of that under the source's secret. A MAC of what somebody else chose could pass for a webhook's
// signature. So what is echoed in JSON or gone over by a MAC is made of token characters only, which no webhook is, and a
// scheme that gives a MAC to an unsigned question never verifies a body of that kind.
type Handshake struct {
	Method string // http.MethodGet or http.MethodPost
	In     Spot   // where When, Token and Echo are looked up
	// Signed: the question must carry the scheme's signature. Where not, it must carry no signature header at all.
	Signed bool
	// When must have the value Equals, be there at all where Equals is empty, and Unless not be there.
	When, Equals, Unless string
	Token                string // whose value must be the source's verify token
	Echo                 string // whose value is {echo}
	Status               int
	ContentType          string // "" with 204
	Answer               string
}

// Spot is a part of a request where names have values.
type Spot string

// The spots.
const (
	Query    Spot = "query"
	JSONBody Spot = "json"
	FormBody Spot = "form"
)

// Bounds of what a handshake is answered with, in bytes.
const (
	maxEcho  = 512
	maxToken = 128 // where it stands in JSON or under a MAC
)

const (
	echoPart   = "{echo}"
	macPart    = "{mac}"
	plainText  = "text/plain; charset=utf-8"
	tokenChars = "-._~+/="
)

// Reply is an answer to send as it is, with X-Content-Type-Options: nosniff.
type Reply struct {
	Status      int
	ContentType string // "": there is no body
	Body        []byte
}

// VerifyToken says whether a handshake of the scheme needs a token that the tenant enters at the provider.
func (s Scheme) VerifyToken() bool { return s.Handshakes[0].Token != "" || s.Handshakes[1].Token != "" }

// Greet gives the answer to a handshake that the provider does not sign; asked is false where the request is none. verifyToken is
// the source's. A wrong one is refused (verify_token_mismatch), and so is a question that wants something else back than a
// provider does (challenge_malformed). The error is an [*Error].
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
		// A source with several secrets is being rotated: the provider asks with the newest.
		secret := Secret{}
		for _, one := range secrets {
			if !one.IsZero() {
				secret = one
			}
		}
		reply, ok := h.answer(&s, r, secret)
		if !ok {
			return Reply{}, true, fail(ChallengeMalformed, h.Echo+" is not what a provider would want to hear again")
		}
		return reply, true, nil
	}
	return Reply{}, false, nil
}

// Challenge gives the answer to the provider's handshake, if the request is a signed one. v must be what [Scheme.Verify] returned
// for this request under these secrets.
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

// asked says whether the request is the question.
func (h Handshake) asked(r Request) bool {
	if h.Unless != "" {
		if _, there := h.value(r, h.Unless); there {
			return false
		}
	}
	if h.When == "" {
		return true
	}
	value, there := h.value(r, h.When)
	return there && (h.Equals == "" || value == h.Equals)
}

// value reads one value. Of several with one name in a query or a form there is none.
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

// answer fills the template in; it is not ok where something is to be echoed that must not be.
func (h Handshake) answer(s *Scheme, r Request, secret Secret) (Reply, bool) {
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

// echoes says whether the answer may have the text in it.
func (h Handshake) echoes(text string) bool {
	if h.ContentType != plainText || h.Answer != echoPart {
		return plain(text, maxToken, tokenChars)
	}
	return text != "" && len(text) <= maxEcho && printable(text)
}

// answerable says whether an unsigned question could have had the body's MAC for its answer.
func (s *Scheme) answerable(body []byte) bool {
	for _, h := range s.Handshakes {
		if !h.Signed && strings.Contains(h.Answer, macPart) && len(body) <= maxToken && plain(string(body), maxToken, tokenChars) {
			return true
		}
	}
	return false
}
