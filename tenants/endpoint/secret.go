package endpoint

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
)

// The ways to sign that Standard Webhooks knows.
const (
	SchemeV1  = "v1"  // HMAC-SHA256 under a secret that the receiver has too
	SchemeV1a = "v1a" // ed25519: the receiver has the public key alone
)

// Prefixes of keys in Standard Webhooks' text form: a prefix and base64.
const (
	prefixPrivateKey = "whsk_"
	prefixPublicKey  = "whpk_"
)

// MaxSecrets is how many secrets of an endpoint sign at a time, those being rotated out included.
const MaxSecrets = 4

// Key is what a receiver needs to verify what one secret has signed.
type Key struct {
	ID        string
	Scheme    string
	Secret    string // "whsec_…", with v1
	PublicKey string // "whpk_…", with v1a: the private key is never shown
	Created   time.Time
	NotAfter  time.Time // zero: for as long as the endpoint lives
}

// newSecret seals a secret, the tenant's own or one that is made here where text is empty.
func (s *Endpoints) newSecret(ctx context.Context, e Endpoint, scheme, text string) (Secret, Key, error) {
	none := func(err error) (Secret, Key, error) { return Secret{}, Key{}, err }
	switch scheme {
	case "", SchemeV1:
		scheme = SchemeV1
		made := standardWebhooks()
		if text == "" {
			text = made.NewSecret(rand.Reader)
		}
		if _, err := made.ParseSecret(text); err != nil {
			return none(tenants.Refused("/secret", "invalid_secret", signing.Detail(err)))
		}
	case SchemeV1a:
		if text != "" {
			return none(tenants.Refused("/secret", "invalid_secret", "a key of v1a is made here, so that nobody else has it"))
		}
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return none(tenants.Errorf(tenants.Internal, "secret_not_made", "%w", err))
		}
		text = prefixPrivateKey + base64.StdEncoding.EncodeToString(private)
	default:
		return none(tenants.Refused("/secret_scheme", "invalid_scheme", "the scheme is v1 or v1a"))
	}
	made := Secret{SealedSecret: tenants.SealedSecret{ID: tenants.NewID(tenants.PrefixSecret), Created: time.Now().UTC().Truncate(time.Second)}, Scheme: scheme}
	var err error
	if made.Sealed, err = s.vault.Seal(ctx, e.Tenant, made.purpose(e.ID), []byte(text)); err != nil {
		return none(err)
	}
	key, err := made.key(text)
	return made, key, err
}

// standardWebhooks is the scheme that v1 signs by, and whose secrets it takes.
func standardWebhooks() signing.Scheme {
	scheme, _ := signing.Lookup("standard-webhooks")
	return scheme
}

// purpose binds a sealed secret to its place: in another endpoint's record it does not open.
func (x Secret) purpose(endpoint string) string {
	return "endpoint-secret/" + endpoint + "/" + x.ID + "/" + x.Scheme
}

// key is what the receiver needs of a secret whose text is known.
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
		return nil, tenants.Errorf(tenants.Internal, "endpoint_unusable", "a stored key is none")
	}
	return b, nil
}

// Keys opens what receivers verify the endpoint's deliveries by, the newest first.
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

// SecretRotation is what a caller chooses of an endpoint's next secret.
type SecretRotation struct {
	Scheme  string        // "": as now
	Secret  string        // "": one is made
	Overlap time.Duration // how long those there now sign beside it, 0 to MaxSourceOverlap
}

// RotateSecret gives the endpoint a new secret. With too many being rotated out already: Conflict secret_limit.
func (s *Endpoints) RotateSecret(ctx context.Context, tenant tenants.TenantID, id string, r SecretRotation) (Endpoint, Key, error) {
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
		if len(old) == MaxSecrets {
			return tenants.Errorf(tenants.Conflict, "secret_limit", "four secrets sign already; rotate without overlap, or wait for one to end")
		}
		e.Secrets = []Secret{made}
		for _, x := range old {
			x.NotAfter = tenants.Earlier(x.NotAfter, end)
			e.Secrets = append(e.Secrets, x)
		}
		key = shown
		return nil
	})
	if err != nil {
		return Endpoint{}, Key{}, err
	}
	return e, key, nil
}
