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

// Rights decides whether an open connection may stay, by the same rules as its admission.
type Rights struct {
	Accounts *account.Accounts
	Keys     *account.Keys
	Tokens   *token.Tokens
	Gate     *access.Gate
}

// Verdict implements [hub.Options.Allowed].
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
		if ok, err := r.Gate.Allow(ctx, *p, objectOf(c), access.Subscribe); err != nil || !ok {
			return hub.Denied, until, err
		}
	}
	return hub.Allowed, until, nil
}

// objectOf returns the object that a subscriber of the channel needs a right to: for events that only a proxy brings,
// it is the proxy.
func objectOf(channel string) string {
	if id, ok := tenants.ProxyOf(channel); ok {
		return access.Proxy(id)
	}
	return access.Channel(channel)
}

// Hidden implements [hub.Options.Hidden].
func (r Rights) Hidden(ctx context.Context, p *tenants.Principal) (hidden.Hidden, error) {
	return r.Gate.Hidden(ctx, *p)
}

// Tracing implements [hub.Options.Tracing].
func (r Rights) Tracing(ctx context.Context, t tenants.TenantID) (time.Time, error) {
	tenant, err := r.Accounts.Active(ctx, t)
	if err != nil {
		_, _, err = deniedBy(err)
		return time.Time{}, err
	}
	return tenant.Tracing.Until, nil
}

// ends returns when p's key, or the key that signed its token, expires as of now: a rotation sets an end while
// streams are open. The zero time means never.
func (r Rights) ends(ctx context.Context, p *tenants.Principal) (time.Time, error) {
	if p.KeyID == "" {
		return r.Tokens.Ends(ctx, *p)
	}
	key, err := r.Keys.Live(ctx, p.Tenant, p.KeyID)
	return key.Expires, err
}

// deniedBy distinguishes a lost right from a check that failed.
func deniedBy(err error) (hub.Verdict, time.Time, error) {
	switch tenants.KindOf(err) {
	case tenants.NotFound, tenants.Forbidden, tenants.Unauthenticated:
		err = nil
	}
	return hub.Denied, time.Time{}, err
}

// Forget drops the cached values of a tenant, so that the next decision reads them again. Call it when a tenant has
// changed.
func (r Rights) Forget(t tenants.TenantID) {
	r.Accounts.Forget(t)
	r.Keys.Forget(t)
	r.Tokens.Forget(t)
	r.Gate.Forget(t)
}
