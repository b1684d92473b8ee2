package endpoint

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/outgoing"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/signing"
)

// The signature schemes of Standard Webhooks.
const (
	SchemeV1  = "v1"  // HMAC-SHA256 with a secret that the receiver has too
	SchemeV1a = "v1a" // ed25519: the receiver has only the public key
)

// Prefixes of keys in the text form of Standard Webhooks: a prefix and base64.
const (
	prefixPrivateKey = "whsk_"
	prefixPublicKey  = "whpk_"
)

// maxSecrets is the number of secrets that sign at a time, those being rotated out included.
const maxSecrets = 4

// Key is what a receiver needs to verify the signatures of one secret.
type Key struct {
	ID        string
	Scheme    string
	Secret    string // "whsec_…", with v1
	PublicKey string // "whpk_…", with v1a: the private key is never shown
	Created   time.Time
	NotAfter  time.Time // zero: no end
}

// newSecret checks and seals the tenant's secret. If text is empty, it makes one.
func (s *Endpoints) newSecret(ctx context.Context, e Endpoint, scheme, text string) (made Secret, key Key, err error) {
	switch scheme {
	case "", SchemeV1:
		scheme = SchemeV1
		v1 := standardWebhooks()
		if text == "" {
			text = v1.NewSecret(rand.Reader)
		}
		if _, err := v1.ParseSecret(text); err != nil {
			return made, key, tenants.Refused("/secret", "invalid_secret", signing.Detail(err))
		}
	case SchemeV1a:
		if text != "" {
			return made, key, tenants.Refused("/secret", "invalid_secret",
				"the secret must be empty with v1a: Hookcast makes the key, so that nobody else has it")
		}
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return made, key, tenants.Errorf(tenants.Internal, "secret_not_made", "%w", err)
		}
		text = prefixPrivateKey + base64.StdEncoding.EncodeToString(private)
	default:
		return made, key, tenants.Refused("/secret_scheme", "invalid_scheme", "the scheme must be v1 or v1a")
	}
	made.ID, made.Created, made.Scheme = tenants.NewID(tenants.PrefixSecret), time.Now().UTC().Truncate(time.Second),
		scheme
	if made.Sealed, err = s.vault.Seal(ctx, e.Tenant, made.purpose(e.ID), []byte(text)); err != nil {
		return Secret{}, key, err
	}
	key, err = made.key(text)
	return made, key, err
}

// standardWebhooks returns the scheme of SchemeV1's secrets and signatures.
func standardWebhooks() signing.Scheme {
	scheme, _ := signing.Lookup("standard-webhooks")
	return scheme
}

// purpose binds the sealed secret to its endpoint: in another endpoint's record it does not open.
func (x Secret) purpose(endpoint string) string {
	return "endpoint-secret/" + endpoint + "/" + x.ID + "/" + x.Scheme
}

// key returns the receiver's key for the secret whose text is given.
func (x Secret) key(text string) (Key, error) {
	k := Key{ID: x.ID, Scheme: x.Scheme, Created: x.Created, NotAfter: x.NotAfter}
	if x.Scheme == SchemeV1 {
		k.Secret = text
		return k, nil
	}
	private, err := privateKey(text)
	if err != nil {
		return Key{}, err
	}
	k.PublicKey = prefixPublicKey + base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	return k, nil
}

func privateKey(text string) (ed25519.PrivateKey, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, prefixPrivateKey))
	if err != nil || len(b) != ed25519.PrivateKeySize {
		return nil, tenants.Errorf(tenants.Internal, "endpoint_unusable", "a stored key is not an ed25519 key")
	}
	return b, nil
}

// Keys returns the keys that receivers verify the endpoint's deliveries with, the newest first.
func (s *Endpoints) Keys(ctx context.Context, e Endpoint) ([]Key, error) {
	var keys []Key
	for _, x := range e.Secrets {
		if tenants.Ended(x.NotAfter, time.Now()) {
			continue
		}
		text, err := s.vault.Open(ctx, e.Tenant, x.purpose(e.ID), x.Sealed)
		if err != nil {
			return nil, err
		}
		k, err := x.key(string(text))
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// SecretRotation holds the values of an endpoint's next secret that a caller chooses.
type SecretRotation struct {
	Scheme  string        // "": the scheme of the newest secret
	Secret  string        // "": a new one; must be "" with SchemeV1a
	Overlap time.Duration // how long the existing secrets keep signing, 0 to tenants.MaxOverlap
}

// RotateSecret gives the endpoint a new secret and returns its key. If four others would still sign: Conflict
// secret_limit.
func (s *Endpoints) RotateSecret(ctx context.Context, tenant tenants.TenantID, id string, r SecretRotation,
) (Endpoint, Key, error) {
	if err := tenants.CheckOverlap(r.Overlap); err != nil {
		return Endpoint{}, Key{}, err
	}
	var key Key
	e, err := s.edit(ctx, tenant, id, func(e *Endpoint) error {
		scheme := r.Scheme
		if scheme == "" && len(e.Secrets) > 0 {
			scheme = e.Secrets[0].Scheme
		}
		made, shown, err := s.newSecret(ctx, *e, scheme, r.Secret)
		if err != nil {
			return err
		}
		end := time.Now().UTC().Add(r.Overlap).Truncate(time.Second)
		old := e.Secrets
		if r.Overlap == 0 {
			old = nil
		}
		if len(old) == maxSecrets {
			return tenants.Errorf(tenants.Conflict, "secret_limit",
				"the endpoint has 4 secrets already; rotate without overlap, or wait until one expires")
		}
		e.Secrets = []Secret{made}
		for _, x := range old {
			x.NotAfter = tenants.Earlier(x.NotAfter, end)
			e.Secrets = append(e.Secrets, x)
		}
		key = shown
		return nil
	})
	return e, key, err
}

// sealHeaders checks the tenant's headers and puts them into e, sealed.
func (s *Endpoints) sealHeaders(ctx context.Context, e *Endpoint, headers map[string]string) error {
	headers, err := outgoing.CheckHeaders(headers)
	if err != nil {
		return err
	}
	e.Headers, e.HeaderNames = nil, nil
	if len(headers) == 0 {
		return nil
	}
	e.HeaderNames = slices.Sorted(maps.Keys(headers))
	e.Headers, err = s.vault.Seal(ctx, e.Tenant, headersPurpose(e.ID), record.Encode(headers))
	return err
}

func (s *Endpoints) openHeaders(ctx context.Context, e Endpoint) (map[string]string, error) {
	if e.Headers == nil {
		return nil, nil
	}
	b, err := s.vault.Open(ctx, e.Tenant, headersPurpose(e.ID), e.Headers)
	if err != nil {
		return nil, err
	}
	var headers map[string]string
	if err := json.Unmarshal(b, &headers); err != nil {
		return nil, tenants.Errorf(tenants.Internal, "record_undecodable", "%w", err)
	}
	return headers, nil
}

func headersPurpose(endpoint string) string { return "endpoint-headers/" + endpoint }
