package egress

import (
	"context"
	"net/http"

	"github.com/hookcast/hookcast/tenants"
)

// Open sends o and returns the answer as soon as its head is there, with a body that the caller reads and closes, or why there is none.
// It ends when ctx does, and the body with it: the bounds in time are the caller's, but for the one on connecting, and so a ctx that ends is a
// failure of time. Options.Timeout does not count.
func (e *Egress) Open(ctx context.Context, o tenants.Outgoing) (*http.Response, tenants.Failure) {
	var p progress
	r, why := e.request(ctx, o, &p)
	if why != "" {
		return nil, why
	}
	answer, err := e.transport.RoundTrip(r) // and nothing around it: no redirect, no cookie
	if err != nil {
		return nil, p.failure(context.Background(), ctx, err)
	}
	return answer, ""
}
