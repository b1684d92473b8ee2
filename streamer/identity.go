package streamer

import (
	"context"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/valyala/fasthttp"
)

// identify returns the principal of a request: by the Authorization header (an API key or a token), or by ?token= (a
// token only, for EventSource, which cannot set headers). A request with both is refused, so that neither is silently
// ignored.
func (a *App) identify(ctx context.Context, h *fasthttp.RequestHeader, query string) (tenants.Principal, error) {
	secret := query
	if len(h.Peek(fasthttp.HeaderAuthorization)) > 0 || query == "" {
		var err error
		if secret, err = bearer(h); err != nil {
			return tenants.Principal{}, err
		}
		if query != "" {
			return tenants.Principal{}, malformed("two_credentials",
				"the request has a credential in Authorization and another in the query; send one of them")
		}
	}
	var p tenants.Principal
	var err error
	if account.IsKey(secret) {
		p, err = a.o.Keys.Authenticate(ctx, secret)
	} else {
		p, err = a.o.Tokens.Verify(ctx, secret)
	}
	if err == nil && p.Operator {
		err = tenants.Errorf(tenants.Forbidden, "operator_has_no_tenant",
			"the operator's key is for the operator's paths; channels need a credential of their tenant")
	}
	return p, err
}

// operator checks that the request has the operator's key.
func (a *App) operator(h *fasthttp.RequestHeader) error {
	secret, err := bearer(h)
	if err != nil {
		return err
	}
	p, err := a.o.Keys.Authenticate(a.lifetime, secret)
	if err == nil && !p.Operator {
		err = tenants.Errorf(tenants.Forbidden, "operator_only", "this path needs the operator's key")
	}
	return err
}

// bearer is [api.Bearer] of fasthttp's headers.
func bearer(h *fasthttp.RequestHeader) (string, error) {
	var values []string
	for _, v := range h.PeekAll(fasthttp.HeaderAuthorization) {
		values = append(values, string(v))
	}
	return api.Bearer(values)
}
