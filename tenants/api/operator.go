package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
)

func (a *API) listTenants(c *call) (answer, error) {
	p, err := a.page(c)
	if err != nil {
		return answer{}, err
	}
	found, next, err := a.Accounts.List(c.ctx, p.after, p.limit)
	if err != nil {
		return answer{}, err
	}
	views := make([]tenantView, 0, len(found))
	for _, t := range found {
		if !t.Closing {
			views = append(views, viewTenant(t))
		}
	}
	return a.listOf(c, views, next), nil
}

func (a *API) createTenant(c *call) (answer, error) {
	c.fields.require("name", "email")
	name, email := c.fields.text("name"), c.fields.text("email")
	patch, err := operatorPatch(c.fields)
	if err != nil {
		return answer{}, err
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	t, key, secret, err := a.Accounts.Signup(c.ctx, name, email)
	if err != nil {
		return answer{}, err
	}
	if patch.Plan != nil || patch.Limits != nil {
		updated, err := a.Accounts.UpdateAsOperator(c.ctx, t.ID, patch)
		if err != nil { // nobody has received the tenant's key, so it can be deleted
			if undone := a.Erasure.Delete(c.ctx, t.ID); undone != nil {
				a.Logger.Warn("tenant without its plan was not deleted", "tenant", string(t.ID),
					"error", undone.Error())
			}
			return answer{}, err
		}
		t = updated
	}
	return answer{http.StatusCreated, newTenantView{viewTenant(t), viewKey(key, secret)}}, nil
}

// operatorPatch reads the members that only an operator may change.
func operatorPatch(f *fields) (p account.OperatorPatch, err error) {
	p.Plan = optional(f, "plan", f.text)
	limits, err := f.object("limits")
	if err != nil || limits == nil {
		return p, err
	}
	p.Limits = make(map[string]*int64)
	for _, name := range tenants.LimitNames() {
		switch raw := limits.raw(name); {
		case raw == nil:
		case string(raw) == "null": // removes the override
			p.Limits[name] = nil
		default:
			n, ok := wholeNumber(raw)
			if !ok {
				limits.refuse(name, "must be a whole number of at least 0, or null for the plan's limit")
				continue
			}
			p.Limits[name] = &n
		}
	}
	limits.refuseUnknown()
	return p, nil
}

func wholeNumber(raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil && n >= 0
}

// tenantID returns the tenant in the path.
func (c *call) tenantID() (tenants.TenantID, error) {
	id, err := c.id("id", tenants.PrefixTenant)
	return tenants.TenantID(id), err
}

func (a *API) getAnyTenant(c *call) (answer, error) {
	id, err := c.tenantID()
	if err != nil {
		return answer{}, err
	}
	return a.showTenant(c, id)
}

func (a *API) patchAnyTenant(c *call) (answer, error) {
	id, err := c.tenantID()
	if err != nil {
		return answer{}, err
	}
	own := tenantPatch(c.fields)
	patch, err := operatorPatch(c.fields)
	if err != nil {
		return answer{}, err
	}
	patch.TenantPatch = own
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	t, err := a.Accounts.UpdateAsOperator(c.ctx, id, patch)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewTenant(t)}, nil
}

func (a *API) deleteAnyTenant(c *call) (answer, error) {
	id, err := c.tenantID()
	if err != nil {
		return answer{}, err
	}
	return a.endTenant(c, id)
}

func (a *API) suspendTenant(c *call) (answer, error) {
	return a.setTenant(c, a.Accounts.Suspend)
}

func (a *API) resumeTenant(c *call) (answer, error) {
	return a.setTenant(c, a.Accounts.Resume)
}

func (a *API) setTenant(c *call, set func(context.Context, tenants.TenantID) (tenants.Tenant, error)) (answer, error) {
	id, err := c.tenantID()
	if err != nil {
		return answer{}, err
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	t, err := set(c.ctx, id)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewTenant(t)}, nil
}
