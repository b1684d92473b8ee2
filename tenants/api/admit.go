package api

import (
	"net/http"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// admit finds out who is asking and whether the route is theirs. Whoever may not know of a route, a tenant of an operator's,
// gets the answer for a path that is not there.
func (a *API) admit(c *call) error {
	if c.route.Public {
		return nil
	}
	credential, err := bearer(c.r.Header["Authorization"])
	if err != nil {
		return err
	}
	if c.who, err = a.authenticate(c, credential); err != nil {
		return err
	}
	if a.Observe != nil && !c.who.Operator {
		a.Observe(c.ctx, c.who.Tenant)
	}
	if err := a.admitOrigin(c); err != nil {
		return err
	}
	switch {
	case c.route.Operator && !c.who.Operator:
		return &tenants.Error{Kind: tenants.NotFound}
	case c.route.Operator, c.route.operator && c.who.Operator:
		return nil
	case c.who.Operator:
		return tenants.Errorf(tenants.Forbidden, "operator_has_no_tenant", "The operator's key is for the operator's paths; this one belongs to a tenant.")
	case c.who.TokenID != "" && !c.route.Tokens:
		return tenants.Errorf(tenants.Forbidden, "api_key_required", "A token reads and subscribes; this needs an API key.")
	case c.route.Object == "":
		return nil // the handler asks, once it knows what it is about
	}
	object, err := c.object()
	if err != nil {
		return err
	}
	return a.allow(c, object, c.route.Action)
}

// admitOrigin holds a page's origin against the tenant's list, as streams and polls do. Tokens are what pages have; a key is its
// holder's wherever it is used.
func (a *API) admitOrigin(c *call) error {
	origins := c.r.Header["Origin"]
	if c.who.TokenID == "" || len(origins) == 0 {
		return nil
	}
	tenant, err := a.Accounts.Active(c.ctx, c.who.Tenant)
	if err != nil {
		return err
	}
	for _, origin := range origins {
		if !tenant.AllowsOrigin(origin) {
			return tenants.Errorf(tenants.Forbidden, "origin_not_allowed", "This page's origin is not on the tenant's list.")
		}
	}
	return nil
}

// object is what the route asks the Gate about. What cannot exist is refused before: the Gate sees names only.
func (c *call) object() (string, error) {
	object := strings.Replace(c.route.Object, "{id}", c.r.PathValue("id"), 1)
	if !strings.Contains(object, "{channel}") {
		return object, nil
	}
	name, err := c.channel()
	if err != nil && c.route.Method == http.MethodPost {
		err = tenants.Errorf(tenants.Unprocessable, "invalid_channel",
			"A channel's name is segments of a-z, 0-9, _ and - (1 to 64 each), joined by dots, 200 bytes in all.")
	}
	return strings.Replace(object, "{channel}", name, 1), err
}

// bearer takes the credential out of the Authorization header (RFC 6750 section 2.1).
func bearer(values []string) (string, error) {
	if len(values) == 0 {
		return "", tenants.Errorf(tenants.Unauthenticated, "credential_missing", "There is no Authorization header; it is: Bearer and an API key or a token.")
	}
	scheme, credential, _ := strings.Cut(values[0], " ")
	credential = strings.TrimLeft(credential, " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || credential == "" || strings.ContainsAny(credential, " \t,") {
		return "", tenants.Errorf(tenants.Unauthenticated, "credential_malformed", "The Authorization header must be one, of the form: Bearer and an API key or a token.")
	}
	return credential, nil
}

func (a *API) authenticate(c *call, credential string) (who tenants.Principal, err error) {
	if tenants.IsKey(credential) {
		who, err = a.Keys.Authenticate(c.ctx, credential)
		if tenants.CodeOf(err) == "tenant_suspended" && c.route.Suspended && who.Tenant != "" {
			err = nil // a suspended tenant may see that it is
		}
		return who, err
	}
	return a.Tokens.Verify(c.ctx, credential)
}

// allow asks the Gate.
func (a *API) allow(c *call, object, action string) error {
	ok, err := a.Gate.Allow(c.ctx, c.who, object, action)
	if err != nil {
		return err
	}
	if !ok {
		return &tenants.Error{Kind: tenants.Forbidden}
	}
	return nil
}
