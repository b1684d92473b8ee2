package intake

import (
	"net/http"
	"slices"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
)

// handshakesPerSecond is how many handshakes, which are unsigned, a source answers. Providers rarely send one.
const handshakesPerSecond = 5

// greet answers a provider's unsigned handshake; answered is false if the request must be verified instead. GET is
// accepted only by sources whose scheme has a handshake by GET, HEAD only if the provider probes with it.
func (r *Receiver) greet(in Inbound, src source.Source, scheme signing.Scheme,
	secrets []signing.Secret) (accepted Accepted, answered bool, err error) {
	methods := scheme.Methods()
	if !slices.Contains(methods, in.Method) {
		return Accepted{Allow: methods}, true, tenants.Errorf(tenants.MethodNotAllowed, "method_not_allowed",
			"the source does not accept this method")
	}
	if in.Method == http.MethodHead {
		return Accepted{Reply: &signing.Reply{Status: http.StatusOK}}, true, nil
	}
	reply, asked, err := scheme.Greet(in.request(), secrets, r.sources.VerifyToken(src))
	if !asked {
		if in.Method == http.MethodGet {
			return Accepted{}, true, tenants.Errorf(tenants.Invalid, "challenge_missing",
				"a GET request must be the provider's handshake, and this one has no challenge")
		}
		return Accepted{}, false, nil
	}
	if err := take(r.handshakes, src.ID, handshakesPerSecond, "handshake_rate"); err != nil {
		return Accepted{}, true, err
	}
	if err != nil {
		e := unverified(err)
		if e.Code == signing.VerifyTokenMismatch {
			e.Kind = tenants.Forbidden
		} else if e.Kind == tenants.Unauthenticated {
			e.Kind = tenants.Invalid
		}
		return Accepted{}, true, e
	}
	return Accepted{Reply: &reply}, true, nil
}
