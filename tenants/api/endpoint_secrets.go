package api

import (
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
)

// endpointKeyView is the key by which a receiver verifies signatures: a secret for v1, a public key for v1a.
type endpointKeyView struct {
	ID        string     `json:"id"`
	Scheme    string     `json:"secret_scheme"`
	Secret    string     `json:"secret,omitempty"`
	PublicKey string     `json:"public_key,omitempty"`
	Created   time.Time  `json:"created_at"`
	Expires   *time.Time `json:"expires_at"`
}

func (v endpointKeyView) withoutSecrets() any {
	v.Secret = ""
	return v
}

func (v endpointKeyView) objectID() string { return v.ID }

func viewEndpointKey(k endpoint.Key) endpointKeyView {
	return endpointKeyView{ID: k.ID, Scheme: k.Scheme, Secret: k.Secret, PublicKey: k.PublicKey,
		Created: k.Created.UTC(), Expires: optionalTime(k.NotAfter)}
}

// defaultEndpointOverlap is how long replaced secrets still sign, together with the new one, if the request does not
// say.
const defaultEndpointOverlap = 24 * time.Hour

func (a *API) rotateEndpointSecret(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixEndpoint)
	if err != nil {
		return answer{}, err
	}
	r := endpoint.SecretRotation{Scheme: c.fields.text("secret_scheme"), Secret: c.fields.text("secret"),
		Overlap: defaultEndpointOverlap}
	if overlap := overlapOf(c.fields); overlap != nil {
		r.Overlap = *overlap
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	_, key, err := a.Endpoints.RotateSecret(c.ctx, c.who.Tenant, id, r)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, viewEndpointKey(key)}, nil
}

func (a *API) getEndpointSecrets(c *call) (answer, error) {
	e, err := a.endpoint(c)
	if err != nil {
		return answer{}, err
	}
	keys, err := a.Endpoints.Keys(c.ctx, e)
	if err != nil {
		return answer{}, err
	}
	views := make([]endpointKeyView, 0, len(keys))
	for _, k := range keys {
		views = append(views, viewEndpointKey(k))
	}
	return a.listOf(c, views, ""), nil
}
