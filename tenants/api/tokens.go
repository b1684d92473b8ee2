package api

import (
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/token"
)

// tokenView is a newly minted token. The token itself is not stored, so a replayed answer lacks it.
type tokenView struct {
	ID      string    `json:"id"`
	Token   string    `json:"token,omitempty"`
	Expires time.Time `json:"expires_at"`
}

func (v tokenView) withoutSecrets() any {
	v.Token = ""
	return v
}

func (a *API) createToken(c *call) (answer, error) {
	c.fields.require("subject", "channels", "ttl_seconds")
	c.fields.readOnly("id", "token", "expires_at")
	const least, most = int64(token.MinTTL / time.Second), int64(token.MaxTTL / time.Second)
	spec := token.Spec{
		Subject: c.fields.text("subject"), Roles: c.fields.texts("roles", token.MaxRoles),
		Channels: c.fields.texts("channels", token.MaxChannels),
		TTL:      time.Duration(c.fields.integer("ttl_seconds", least, most)) * time.Second,
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	made, err := a.Tokens.Mint(c.ctx, c.who.Tenant, spec)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, tokenView{made.ID, made.Raw, made.Expires.UTC()}}, nil
}

func (a *API) revokeToken(c *call) (answer, error) {
	r := token.Revocation{TokenID: c.fields.text("id"), Subject: c.fields.text("subject"), Raw: c.fields.text("token")}
	named := 0
	for _, member := range []string{"id", "subject", "token"} {
		if c.fields.has(member) {
			named++
		}
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	if named != 1 {
		return answer{}, tenants.Errorf(tenants.Unprocessable, "invalid_revocation",
			"the body must have exactly one of token, id and subject")
	}
	if err := a.Tokens.Revoke(c.ctx, c.who.Tenant, r); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}
