package api

import (
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
)

// sourceView is a source as answers show it. URL and VerifyToken are left out of lists and of replayed answers.
// Secret is present only in the answer that creates it.
type sourceView struct {
	ID          string        `json:"id"`
	URL         string        `json:"url,omitempty"`
	Name        string        `json:"name"`
	Provider    string        `json:"provider"`
	Verifies    bool          `json:"verifies"`
	Channel     string        `json:"channel"`
	Fallback    *string       `json:"fallback"`
	Custom      *customView   `json:"custom"`
	AllowLegacy bool          `json:"allow_legacy"`
	Tolerance   int64         `json:"tolerance_seconds"`
	Response    *responseView `json:"response"`
	Secrets     []secretView  `json:"secrets"`
	Created     time.Time     `json:"created_at"`
	VerifyToken string        `json:"verify_token,omitempty"`
	Secret      string        `json:"secret,omitempty"`
	Weak        bool          `json:"weak_secret,omitempty"`
}

func (v sourceView) withoutSecrets() any {
	v.URL, v.VerifyToken, v.Secret = "", "", ""
	return v
}

// secretView is a signing secret as answers show it. Secret is present only in the answer that creates it.
type secretView struct {
	ID      string     `json:"id"`
	Created time.Time  `json:"created_at"`
	Expires *time.Time `json:"expires_at"`
	Secret  string     `json:"secret,omitempty"`
	Weak    bool       `json:"weak_secret,omitempty"`
}

func (v secretView) withoutSecrets() any {
	v.Secret = ""
	return v
}

func viewSource(s source.Source) sourceView {
	scheme, err := s.Scheme()
	v := sourceView{
		ID: s.ID, Name: s.Name, Provider: s.Provider, Verifies: err == nil && !scheme.None(), Channel: s.Channel,
		Fallback: nullable(s.Fallback), Custom: viewCustom(s.Custom), AllowLegacy: s.AllowLegacy,
		Tolerance: seconds(s.Tolerance), Response: viewResponse(s.Response), Secrets: []secretView{},
		Created: s.Created.UTC(),
	}
	for _, secret := range s.Secrets {
		v.Secrets = append(v.Secrets, viewSecret(secret))
	}
	return v
}

func viewSecret(s tenants.SealedSecret) secretView {
	return secretView{ID: s.ID, Created: s.Created.UTC(), Expires: optionalTime(s.NotAfter)}
}

func (a *API) sourceURL(token string) string { return a.PublicURL + "/in/" + token }

// withURL is viewWhole with the token read from the source.
func (a *API) withURL(c *call, s source.Source) (sourceView, error) {
	token, err := a.Sources.Token(c.ctx, s)
	return a.viewWhole(s, token), err
}

// viewWhole is viewSource with the URL and the verify token, which the provider needs.
func (a *API) viewWhole(s source.Source, token string) sourceView {
	v := viewSource(s)
	v.URL = a.sourceURL(token)
	if scheme, err := s.Scheme(); err == nil && scheme.VerifyToken() {
		v.VerifyToken = a.Sources.VerifyToken(s)
	}
	return v
}

func (a *API) listSources(c *call) (answer, error) {
	return listRows(a, c, a.Sources.List, viewSource)
}

func (a *API) createSource(c *call) (answer, error) {
	c.fields.require("name", "provider", "channel")
	c.fields.readOnly("id", "url", "verify_token", "verifies", "secrets", "created_at")
	custom, err := customOf(c.fields)
	if err != nil {
		return answer{}, err
	}
	response, err := responseOf(c.fields)
	if err != nil {
		return answer{}, err
	}
	spec := source.Spec{
		Name: c.fields.text("name"), Provider: c.fields.text("provider"), Secret: c.fields.lines("secret"),
		Channel: c.fields.text("channel"), Fallback: c.fields.textOrNull("fallback"), Custom: custom,
		AllowLegacy: c.fields.flag("allow_legacy"), Tolerance: c.fields.tolerance("tolerance_seconds"),
		Response: response,
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	s, shown, err := a.Sources.Create(c.ctx, c.who.Tenant, spec)
	if err != nil {
		return answer{}, err
	}
	v := a.viewWhole(s, shown.Token)
	v.Secret, v.Weak = shown.Secret, shown.Weak
	return answer{http.StatusCreated, v}, nil
}

// tolerance reads the maximum age of a signature.
func (f *fields) tolerance(name string) time.Duration {
	return time.Duration(f.integer(name, 0, int64(source.MaxTolerance/time.Second))) * time.Second
}

func (a *API) getSource(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixSource)
	if err != nil {
		return answer{}, err
	}
	s, err := a.Sources.Get(c.ctx, c.who.Tenant, id)
	if err != nil {
		return answer{}, err
	}
	return a.showSource(c, s)
}

func (a *API) showSource(c *call, s source.Source) (answer, error) {
	v, err := a.withURL(c, s)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, v}, nil
}

func (a *API) patchSource(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixSource)
	if err != nil {
		return answer{}, err
	}
	p, err := sourcePatch(c.fields)
	if err != nil {
		return answer{}, err
	}
	s, err := a.Sources.Update(c.ctx, c.who.Tenant, id, p)
	if err != nil {
		return answer{}, err
	}
	return a.showSource(c, s)
}

func sourcePatch(f *fields) (p source.Patch, err error) {
	f.readOnly("id", "url", "verify_token", "provider", "verifies", "secret", "secrets", "created_at")
	p.Name = optional(f, "name", f.text)
	p.Channel = optional(f, "channel", f.text)
	p.Fallback = optional(f, "fallback", f.textOrNull)
	if f.isNull("custom") {
		p.Custom = new(signing.Custom{})
	} else if p.Custom, err = customOf(f); err != nil {
		return p, err
	}
	p.AllowLegacy = optional(f, "allow_legacy", f.flag)
	p.Tolerance = optional(f, "tolerance_seconds", f.tolerance)
	if f.has("response") {
		response, err := responseOf(f)
		if err != nil {
			return p, err
		}
		p.Response = &response
	}
	return p, f.err()
}

func (a *API) deleteSource(c *call) (answer, error) {
	return deleteByID(c, tenants.PrefixSource, a.Sources.Delete)
}

// overlapOf reads how long a replaced secret or URL stays valid, nil if it is missing.
func overlapOf(f *fields) *time.Duration {
	return optional(f, "overlap_seconds", func(name string) time.Duration {
		return time.Duration(f.integer(name, 0, int64(tenants.MaxOverlap/time.Second))) * time.Second
	})
}

func (a *API) addSecret(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixSource)
	if err != nil {
		return answer{}, err
	}
	spec := source.SecretSpec{Secret: c.fields.lines("secret"), Overlap: overlapOf(c.fields)}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	made, shown, err := a.Sources.AddSecret(c.ctx, c.who.Tenant, id, spec)
	if err != nil {
		return answer{}, err
	}
	v := viewSecret(made)
	v.Secret, v.Weak = shown.Secret, shown.Weak
	return answer{http.StatusCreated, v}, nil
}

func (a *API) removeSecret(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixSource)
	if err != nil {
		return answer{}, err
	}
	secret, err := c.id("secret", tenants.PrefixSecret)
	if err != nil {
		return answer{}, err
	}
	if err := a.Sources.RemoveSecret(c.ctx, c.who.Tenant, id, secret); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func (a *API) rotateURL(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixSource)
	if err != nil {
		return answer{}, err
	}
	overlap := overlapOf(c.fields)
	if overlap == nil {
		overlap = new(time.Duration(0))
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	s, token, err := a.Sources.RotateURL(c.ctx, c.who.Tenant, id, *overlap)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, a.viewWhole(s, token)}, nil
}
