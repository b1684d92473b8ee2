package egress

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptrace"

	"github.com/hookcast/hookcast/tenants"
)

// Open sends o and returns the answer as soon as its head is there, with a body that the caller reads and closes, or why there is none.
// It ends when ctx does, and the body with it: the bounds in time are the caller's, but for the one on connecting. Options.Timeout does
// not count.
func (e *Egress) Open(ctx context.Context, o tenants.Outgoing) (*http.Response, tenants.Failure) {
	t, why := e.parse(o.URL)
	if why != "" {
		if t.addr.IsValid() && !e.dialer.may(t.addr) {
			return nil, tenants.FailureBlocked
		}
		return nil, tenants.FailureURL
	}
	var p progress
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, p.trace()), o.Method, t.url.String(), bytes.NewReader(o.Body))
	if err != nil {
		return nil, tenants.FailureURL
	}
	r.Header = o.Header
	answer, err := e.transport.RoundTrip(r) // and nothing around it: no redirect, no cookie
	if err != nil {
		return nil, p.failure(context.Background(), ctx, err)
	}
	return answer, ""
}
