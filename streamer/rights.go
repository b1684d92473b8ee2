package streamer

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/token"
)

// Rights decides whether an open connection may stay, by the rules by which it came in.
type Rights struct {
	Accounts *tenants.Accounts
	Keys     *tenants.Keys
	Tokens   *token.Tokens
	Gate     *access.Gate
}

// Verdict is the hub's Allowed.
func (r Rights) Verdict(ctx context.Context, p *tenants.Principal, channels []string) (hub.Verdict, error) {
	if !p.Expires.IsZero() && !time.Now().Before(p.Expires) {
		return hub.Expired, nil
	}
	if _, err := r.Accounts.Active(ctx, p.Tenant); err != nil {
		return deniedBy(err)
	}
	if p.KeyID != "" {
		if _, err := r.Keys.Live(ctx, p.Tenant, p.KeyID); err != nil {
			return deniedBy(err)
		}
	}
	if revoked, err := r.Tokens.Revoked(ctx, *p); err != nil || revoked {
		return hub.Denied, err
	}
	for _, c := range channels {
		if ok, err := r.Gate.Allow(ctx, *p, access.Channel(c), access.Subscribe); err != nil || !ok {
			return hub.Denied, err
		}
	}
	return hub.Allowed, nil
}

// deniedBy tells a right that is gone from a check that could not be made.
func deniedBy(err error) (hub.Verdict, error) {
	switch tenants.KindOf(err) {
	case tenants.NotFound, tenants.Forbidden, tenants.Unauthenticated:
		return hub.Denied, nil
	}
	return hub.Denied, err
}

// Forget drops what is remembered of a tenant, so that the next decision reads anew: for whoever receives news of it.
func (r Rights) Forget(t tenants.TenantID) {
	r.Accounts.Forget(t)
	r.Keys.Forget(t)
	r.Tokens.Forget(t)
	r.Gate.Forget(t)
}
