package streamer

import (
	"context"
	"strings"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/valyala/fasthttp"
)

// identify finds out who asks: by Authorization (an API key or a token), or by ?token= (a token alone, for EventSource, which
// cannot set a header). A request with both is refused rather than one of them ignored.
func (a *App) identify(ctx context.Context, h *fasthttp.RequestHeader, query string) (tenants.Principal, error) {
	secret := query
	if len(h.Peek(fasthttp.HeaderAuthorization)) > 0 || query == "" {
		var err error
		if secret, err = bearer(h); err != nil {
			return tenants.Principal{}, err
		}
		if query != "" {
			return tenants.Principal{}, malformed("two_credentials", "A credential is in Authorization and another in the query.")
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
		err = tenants.Errorf(tenants.Forbidden, "operator_has_no_tenant", "The operator's key is for the operator's paths; channels belong to a tenant.")
	}
	return p, err
}

// bearer takes the credential out of Authorization (RFC 6750 section 2.1).
func bearer(h *fasthttp.RequestHeader) (string, error) {
	lines := h.PeekAll(fasthttp.HeaderAuthorization)
	if len(lines) == 0 {
		return "", &tenants.Error{Kind: tenants.Unauthenticated, Code: "credential_missing", Detail: "Send an API key or a token: Authorization: Bearer …"}
	}
	scheme, secret, _ := strings.Cut(string(lines[0]), " ")
	if len(lines) > 1 || !strings.EqualFold(scheme, "Bearer") || secret == "" || strings.ContainsAny(secret, " ,\t") {
		return "", &tenants.Error{Kind: tenants.Unauthenticated, Code: "credential_malformed", Detail: "The Authorization header must be one, of the form: Bearer and an API key or a token."}
	}
	return secret, nil
}
