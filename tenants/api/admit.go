package api

import (
	"net/http"
	"strings"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
)

// admit authenticates the caller and checks that the caller may use the route. A tenant that asks for a route of the
// operator gets the same answer as for an unknown path.
func (a *API) admit(c *call) error {
	if c.route.Public {
		return nil
	}
	credential, err := Bearer(c.r.Header["Authorization"])
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
		return tenants.Errorf(tenants.Forbidden, "operator_has_no_tenant",
			"the operator's key works only for the operator's paths; this path belongs to a tenant")
	case c.who.TokenID != "" && !c.route.Tokens:
		return tenants.Errorf(tenants.Forbidden, "api_key_required",
			"the path needs an API key; a token can only read and subscribe")
	case c.route.Object == "":
		return nil // the handler asks the Gate once it knows the object
	}
	object, err := c.object()
	if err != nil {
		return err
	}
	return a.allow(c, object, c.route.Action)
}

// admitOrigin checks a page's origin against the tenant's list, as streams and polls do. Only tokens are checked,
// because pages use tokens; a key works from everywhere.
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
			return tenants.Errorf(tenants.Forbidden, "origin_not_allowed",
				"the page's origin is not in the tenant's list of origins")
		}
	}
	return nil
}

// object returns the object that the route asks the Gate about. It refuses invalid names, because the Gate does not
// check them.
func (c *call) object() (string, error) {
	object := strings.Replace(c.route.Object, "{id}", c.r.PathValue("id"), 1)
	if !strings.Contains(object, "{channel}") {
		return object, nil
	}
	name, err := c.channel()
	if err != nil && c.route.Method == http.MethodPost {
		err = tenants.Errorf(tenants.Unprocessable, "invalid_channel",
			"the channel name must be segments of 1 to 64 characters from a-z, 0-9, _ and -, joined by dots, at "+
				"most 200 bytes in total")
	}
	return strings.Replace(object, "{channel}", name, 1), err
}

func (a *API) authenticate(c *call, credential string) (who tenants.Principal, err error) {
	if account.IsKey(credential) {
		who, err = a.Keys.Authenticate(c.ctx, credential)
		if tenants.CodeOf(err) == "tenant_suspended" && c.route.Suspended && who.Tenant != "" {
			err = nil // a suspended tenant may see that it is suspended
		}
		return who, err
	}
	return a.Tokens.Verify(c.ctx, credential)
}

// allow returns an error of kind Forbidden unless the Gate lets the caller perform the action on the object.
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
