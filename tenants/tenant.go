package tenants

import (
	"context"
	"net/mail"
	"net/url"
	"strings"
	"time"
)

// VersionTenant tells whether c is news of a tenant: a version row that was put.
func (c Change) VersionTenant() (TenantID, bool) {
	return c.Row.Tenant, !c.Deleted && c.Row.Key == VersionKey(c.Row.Tenant)
}

func VersionOf(ctx context.Context, t Table, tenant TenantID) (int64, error) {
	row, err := t.Get(ctx, VersionKey(tenant))
	if IsNotFound(err) {
		return 0, nil
	}
	return row.Version, err
}

func VersionKey(tenant TenantID) Key { return Key{Tenant: tenant, Kind: rowVersion} }

const rowVersion Kind = "version" // {tenant}, "": put again by every change that nodes must hear of

// Tenant is one customer of the deployment.
type Tenant struct {
	ID        TenantID
	Name      string
	Email     string // in lower case; not unique, and nobody is told whether another tenant has it
	Plan      string
	Overrides map[string]int64 // limits that the operator set over the plan's, by their names in the API
	Origins   []string         // origins whose pages may open streams; empty: all
	Suspended bool
	Closing   bool    // being deleted: nothing of it works any more, and nothing can be added
	Tracing   Tracing `json:",omitzero"`
	Created   time.Time
}

// Limits are the plan's, with the operator's overrides on top. A plan that no longer exists counts as the default one.
func (t Tenant) Limits() Limits {
	p, ok := LookupPlan(t.Plan)
	if !ok {
		p = DefaultPlan()
	}
	l := p.Limits.with(t.Overrides)
	l.Tracing = t.Tracing
	return l
}

// AllowsOrigin tells whether a page of origin (the Origin header as received) may open streams. A request without the
// header comes from no page.
func (t Tenant) AllowsOrigin(origin string) bool {
	if origin == "" || len(t.Origins) == 0 {
		return true
	}
	for _, o := range t.Origins {
		if strings.EqualFold(o, origin) {
			return true
		}
	}
	return false
}

const maxOrigins = 50

// CheckOrigins holds each to a scheme and an authority, as a browser writes its Origin header (RFC 6454 section 6.2).
func CheckOrigins(origins []string) error {
	if len(origins) > maxOrigins {
		return Refused("/origins", "invalid_origin", "there can be at most 50 origins")
	}
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || len(o) > 255 || o != strings.ToLower(o) || u.Scheme == "" || u.Hostname() == "" || u.Scheme+"://"+u.Host != o ||
			strings.ContainsAny(u.Host, "*% ") {
			return Refused("/origins", "invalid_origin", "an origin is a scheme and a host in lower case, with a port where it is not the scheme's own: https://app.example.com")
		}
	}
	return nil
}

// NormalEmail gives the address in lower case, or refuses it. It is held to ASCII, so that two that look alike are alike.
func NormalEmail(email string) (string, error) {
	bad := Refused("/email", "invalid_email", "the email must be one plain address such as ops@example.com, at most 254 ASCII characters")
	if len(email) > 254 {
		return "", bad
	}
	for i := range len(email) {
		if email[i] <= ' ' || email[i] > '~' {
			return "", bad
		}
	}
	a, err := mail.ParseAddress(email)
	if err != nil || a.Name != "" || a.Address != email {
		return "", bad
	}
	return strings.ToLower(email), nil
}
