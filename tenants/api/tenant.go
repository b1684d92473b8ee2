package api

import (
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
)

// tenantView is a tenant as answers show it.
type tenantView struct {
	ID        tenants.TenantID `json:"id"`
	Name      string           `json:"name"`
	Email     string           `json:"email"`
	Plan      string           `json:"plan"`
	Limits    map[string]int64 `json:"limits"`
	Origins   []string         `json:"origins"`
	Suspended bool             `json:"suspended"`
	Created   time.Time        `json:"created_at"`
}

func viewTenant(t tenants.Tenant) tenantView {
	origins := append([]string{}, t.Origins...)
	return tenantView{t.ID, t.Name, t.Email, t.Plan, t.Limits().Named(), origins, t.Suspended, t.Created.UTC()}
}

// newTenantView answers the creation of a tenant, with its first key.
type newTenantView struct {
	Tenant tenantView `json:"tenant"`
	APIKey keyView    `json:"api_key"`
}

func (v newTenantView) withoutSecrets() any {
	v.APIKey.Secret = ""
	return v
}

func (a *API) signup(c *call) (answer, error) {
	if !a.SignupOpen {
		return answer{}, tenants.Errorf(tenants.Forbidden, "signup_closed",
			"signup is closed; ask the operator of this deployment for an account")
	}
	c.fields.require("name", "email")
	name, email := c.fields.text("name"), c.fields.text("email")
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	if wait := a.signups.take(a.ClientAddr(c.r)); wait > 0 {
		return answer{}, &tenants.Error{Kind: tenants.TooMany, Code: "signup_limit", RetryAfter: wait,
			Detail: "there were too many signups from this address; try again later"}
	}
	t, key, secret, err := a.Accounts.Signup(c.ctx, name, email)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, newTenantView{viewTenant(t), viewKey(key, secret)}}, nil
}

func (a *API) getTenant(c *call) (answer, error) { return a.showTenant(c, c.who.Tenant) }

func (a *API) showTenant(c *call, id tenants.TenantID) (answer, error) {
	t, err := a.Accounts.Get(c.ctx, id)
	if err == nil && t.Closing {
		err = &tenants.Error{Kind: tenants.NotFound}
	}
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewTenant(t)}, nil
}

// tenantPatch reads the members that a tenant may change itself.
func tenantPatch(f *fields) (p account.TenantPatch) {
	f.readOnly("id", "email", "suspended", "created_at")
	p.Name = optional(f, "name", f.text)
	p.Origins = optional(f, "origins", func(name string) []string { return f.texts(name, 50) })
	return p
}

func (a *API) patchTenant(c *call) (answer, error) {
	p := tenantPatch(c.fields)
	c.fields.readOnly("plan", "limits")
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	t, err := a.Accounts.Update(c.ctx, c.who.Tenant, p)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewTenant(t)}, nil
}

func (a *API) deleteTenant(c *call) (answer, error) { return a.endTenant(c, c.who.Tenant) }

func (a *API) endTenant(c *call, id tenants.TenantID) (answer, error) {
	if err := a.Erasure.Delete(c.ctx, id); err != nil {
		return answer{}, err
	}
	a.Keys.Forget(id)
	return answer{status: http.StatusNoContent}, nil
}
