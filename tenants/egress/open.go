package egress

import (
	"context"
	"net/http"

	"github.com/hookcast/hookcast/tenants"
)

// Open sends o and returns the answer as soon as its head arrives, with a body that the caller reads and closes, or
// why there is none. The request and the body end when ctx does. Options.Timeout does not apply: the caller bounds
// the time, except for connecting, so an ended ctx counts as a timeout.
func (e *Egress) Open(ctx context.Context, o tenants.Outgoing) (*http.Response, tenants.Failure) {
	var p progress
	r, why := e.request(ctx, o, &p)
	if why != "" {
		return nil, why
	}
	answer, err := e.transport.RoundTrip(r) // RoundTrip follows no redirect and keeps no cookie
	if err != nil {
		return nil, p.failure(context.Background(), ctx, err)
	}
	return answer, ""
}
