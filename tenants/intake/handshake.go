package intake

import (
	"net/http"
	"slices"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
)

// handshakesPerSecond is how many questions that nobody signed a source answers in a second. A provider asks once in a while.
const handshakesPerSecond = 5

// greet answers what a provider asks without a signature; answered is false where the request is to be verified. Only a source whose
// scheme has a handshake by GET takes GET, only one whose provider probes takes HEAD.
func (r *Receiver) greet(in Inbound, src source.Source, scheme signing.Scheme, secrets []signing.Secret) (accepted Accepted, answered bool, err error) {
	methods := scheme.Methods()
	if !slices.Contains(methods, in.Method) {
		return Accepted{Allow: methods}, true, tenants.Errorf(tenants.MethodNotAllowed, "method_not_allowed", "the source does not take this method")
	}
	if in.Method == http.MethodHead {
		return Accepted{Reply: &signing.Reply{Status: http.StatusOK}}, true, nil
	}
	request := signing.Request{Method: in.Method, URL: in.URL, Header: in.Header, Body: in.Body}
	reply, asked, err := scheme.Greet(request, secrets, r.sources.VerifyToken(src))
	if !asked {
		if in.Method == http.MethodGet {
			return Accepted{}, true, tenants.Errorf(tenants.Invalid, "challenge_missing", "GET is for the provider's handshake, and this request asks nothing")
		}
		return Accepted{}, false, nil
	}
	if wait, ok := r.handshakes.Take(src.ID, handshakesPerSecond, 1); !ok {
		limit := tenants.Errorf(tenants.TooMany, "handshake_rate", "more than %d handshakes per second", handshakesPerSecond)
		limit.RetryAfter = wait
		return Accepted{}, true, limit
	}
	if err != nil {
		return Accepted{}, true, ungreeted(err)
	}
	return Accepted{Reply: &reply}, true, nil
}

// ungreeted is the answer to a handshake that signing did not answer.
func ungreeted(err error) error {
	kind, code, detail := unbelieved(err)
	if code == signing.VerifyTokenMismatch {
		kind = tenants.Forbidden
	} else if kind == tenants.Unauthenticated {
		kind = tenants.Invalid
	}
	return tenants.Errorf(kind, code, "%s", detail)
}
