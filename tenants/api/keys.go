package api

import (
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/account"
)

// keyView is an API key as answers show it. Secret is present only in the answer that creates it.
type keyView struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	KID     string     `json:"kid,omitempty"` // of a signer
	Created time.Time  `json:"created_at"`
	Expires *time.Time `json:"expires_at"`
	Secret  string     `json:"secret,omitempty"`
}

func (v keyView) withoutSecrets() any {
	v.Secret = ""
	return v
}

func viewKey(k account.APIKey, secret string) keyView {
	return keyView{k.ID, k.Name, k.Role, k.KID, k.Created.UTC(), optionalTime(k.Expires), secret}
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (a *API) listKeys(c *call) (answer, error) {
	return listRows(a, c, a.Keys.List, func(k account.APIKey) keyView { return viewKey(k, "") })
}

func (a *API) createKey(c *call) (answer, error) {
	c.fields.require("name", "role")
	c.fields.readOnly("id", "kid", "created_at", "expires_at", "secret")
	spec := account.KeySpec{Name: c.fields.text("name"), Role: c.fields.text("role")}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	if err := a.allow(c, access.Key(spec.Role), access.Write); err != nil {
		return answer{}, err
	}
	k, secret, err := a.Keys.Create(c.ctx, c.who.Tenant, spec)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, viewKey(k, secret)}, nil
}

func (a *API) deleteKey(c *call) (answer, error) {
	id, err := a.changeableKey(c)
	if err != nil {
		return answer{}, err
	}
	if err := a.Keys.Delete(c.ctx, c.who.Tenant, id); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func (a *API) rotateKey(c *call) (answer, error) {
	overlap := c.fields.integer("overlap_seconds", 0, int64(account.MaxKeyOverlap/time.Second))
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	id, err := a.changeableKey(c)
	if err != nil {
		return answer{}, err
	}
	k, secret, err := a.Keys.Rotate(c.ctx, c.who.Tenant, id, time.Duration(overlap)*time.Second)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, viewKey(k, secret)}, nil
}

// changeableKey returns the id in the path if the caller may manage keys of that key's role. Without the check a
// caller could rotate a key of a higher role and get its successor.
func (a *API) changeableKey(c *call) (string, error) {
	id, err := c.id("id", tenants.PrefixKey)
	if err != nil {
		return "", err
	}
	k, err := a.Keys.Get(c.ctx, c.who.Tenant, id)
	if err != nil {
		return "", err
	}
	return id, a.allow(c, access.Key(k.Role), access.Manage)
}
