package streamer

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/hidden"
	"github.com/hookcast/hookcast/tenants/token"
)

// Rights decides whether an open connection may stay, by the rules by which it came in.
type Rights struct {
	Accounts *account.Accounts
	Keys     *account.Keys
	Tokens   *token.Tokens
	Gate     *access.Gate
}

// Verdict is the hub's Allowed.
func (r Rights) Verdict(ctx context.Context, p *tenants.Principal, channels []string) (hub.Verdict, time.Time, error) {
	if !p.Expires.IsZero() && !time.Now().Before(p.Expires) {
		return hub.Expired, p.Expires, nil
	}
	if _, err := r.Accounts.Active(ctx, p.Tenant); err != nil {
		return deniedBy(err)
	}
	until, err := r.ends(ctx, p)
	if err != nil {
		return deniedBy(err)
	}
	if revoked, err := r.Tokens.Revoked(ctx, *p); err != nil || revoked {
		return hub.Denied, until, err
	}
	for _, c := range channels {
		if ok, err := r.Gate.Allow(ctx, *p, heard(c), access.Subscribe); err != nil || !ok {
			return hub.Denied, until, err
		}
	}
	return hub.Allowed, until, nil
}

// heard is the object that who listens to a channel must have the right to: what a proxy brings and keeps nowhere else is the proxy's.
func heard(channel string) string {
	if id, ok := tenants.ProxyOf(channel); ok {
		return access.Proxy(id)
	}
	return access.Channel(channel)
}

// Hidden is the hub's Hidden.
func (r Rights) Hidden(ctx context.Context, p *tenants.Principal) (hidden.Hidden, error) {
	return r.Gate.Hidden(ctx, *p)
}

// Tracing is the hub's Tracing.
func (r Rights) Tracing(ctx context.Context, t tenants.TenantID) (time.Time, error) {
	tenant, err := r.Accounts.Active(ctx, t)
	if err != nil {
		_, _, err = deniedBy(err)
		return time.Time{}, err
	}
	return tenant.Tracing.Until, nil
}

// ends returns when the key that p came with, or the one that signed its token, is over by now: rotating one gives it an end while
// streams are open. Zero: never.
func (r Rights) ends(ctx context.Context, p *tenants.Principal) (time.Time, error) {
	if p.KeyID == "" {
		return r.Tokens.Ends(ctx, *p)
	}
	key, err := r.Keys.Live(ctx, p.Tenant, p.KeyID)
	return key.Expires, err
}

// deniedBy tells a right that is gone from a check that could not be made.
func deniedBy(err error) (hub.Verdict, time.Time, error) {
	switch tenants.KindOf(err) {
	case tenants.NotFound, tenants.Forbidden, tenants.Unauthenticated:
		err = nil
	}
	return hub.Denied, time.Time{}, err
}

// Forget drops what is remembered of a tenant, so that the next decision reads anew: for whoever receives news of it.
func (r Rights) Forget(t tenants.TenantID) {
	r.Accounts.Forget(t)
	r.Keys.Forget(t)
	r.Tokens.Forget(t)
	r.Gate.Forget(t)
}
