package source

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
)

// SecretSpec is what a caller chooses of another secret of a source.
type SecretSpec struct {
	Secret  string         // "" with a scheme whose secret is ours to make: then one is made
	Overlap *time.Duration // how much longer the secrets there are still count (0 to MaxSourceOverlap); nil: they stay
}

// AddSecret gives the source another secret, for a rotation at the provider: any of them verifies. Too many: Conflict
// secret_limit. What the scheme cannot use: Unprocessable invalid_secret.
func (s *Sources) AddSecret(ctx context.Context, tenant tenants.TenantID, id string, spec SecretSpec) (tenants.SealedSecret, Secrets, error) {
	if spec.Overlap != nil {
		if err := tenants.CheckOverlap(*spec.Overlap); err != nil {
			return tenants.SealedSecret{}, Secrets{}, err
		}
	}
	var made tenants.SealedSecret
	var shown Secrets
	_, err := s.edit(ctx, tenant, id, func(src *Source) (ops []tenants.Op, err error) {
		scheme, err := src.Scheme()
		if err != nil {
			return nil, err
		}
		if made, shown, err = s.newSecret(ctx, *src, scheme, spec.Secret); err != nil {
			return nil, err
		}
		if spec.Overlap != nil {
			end := time.Now().UTC().Add(*spec.Overlap).Truncate(time.Second)
			for i := range src.Secrets {
				src.Secrets[i].NotAfter = tenants.Earlier(src.Secrets[i].NotAfter, end)
			}
			if *spec.Overlap == 0 {
				src.Secrets = nil
			}
		}
		if len(src.Secrets) >= MaxSecrets {
			return nil, tenants.Errorf(tenants.Conflict, "secret_limit", "a source can have at most eight secrets; remove one first")
		}
		src.Secrets = append(src.Secrets, made)
		return nil, nil
	})
	if err != nil {
		return tenants.SealedSecret{}, Secrets{}, err
	}
	return made, shown, nil
}

// RemoveSecret ends one of the source's secrets at once: NotFound secret_not_found. The last one that lasts: Conflict last_secret.
func (s *Sources) RemoveSecret(ctx context.Context, tenant tenants.TenantID, id, secret string) error {
	_, err := s.edit(ctx, tenant, id, func(src *Source) ([]tenants.Op, error) {
		n := len(src.Secrets)
		src.Secrets = slices.DeleteFunc(src.Secrets, func(x tenants.SealedSecret) bool { return x.ID == secret })
		if len(src.Secrets) == n {
			return nil, tenants.Errorf(tenants.NotFound, "secret_not_found", "the source has no such secret")
		}
		if !slices.ContainsFunc(src.Secrets, func(x tenants.SealedSecret) bool { return x.NotAfter.IsZero() }) {
			return nil, tenants.Errorf(tenants.Conflict, "last_secret", "this is the last secret; without it nothing could be verified")
		}
		return nil, nil
	})
	return err
}

// newSecret reads a secret as the tenant gave it, or makes one where there is none and the scheme leaves that to us, and seals it.
func (s *Sources) newSecret(ctx context.Context, src Source, scheme signing.Scheme, text string) (tenants.SealedSecret, Secrets, error) {
	if scheme.None() {
		return tenants.SealedSecret{}, Secrets{}, tenants.Refused("/secret", "invalid_secret", "the provider none verifies nothing and takes no secret")
	}
	var shown Secrets
	if text == "" && scheme.Key.Ours {
		if text = scheme.NewSecret(rand.Reader); text == "" {
			return tenants.SealedSecret{}, Secrets{}, tenants.Errorf(tenants.Internal, "secret_not_made", "a secret could not be made")
		}
		shown.Secret = text
	}
	parsed, err := scheme.ParseSecret(text)
	if err != nil {
		return tenants.SealedSecret{}, Secrets{}, tenants.Refused("/secret", "invalid_secret", signing.Detail(err))
	}
	shown.Weak = parsed.Weak()
	made := tenants.SealedSecret{ID: tenants.NewID(tenants.PrefixSecret), Created: time.Now().UTC().Truncate(time.Second)}
	made.Sealed, err = s.vault.Seal(ctx, src.Tenant, secretPurpose(src.ID, made), []byte(text))
	return made, shown, err
}

// open opens the source's secrets, in their order. One that its scheme cannot use under the source's terms: Unprocessable.
func (s *Sources) open(ctx context.Context, src Source) ([]signing.Secret, error) {
	scheme, err := src.Scheme()
	if err != nil {
		return nil, err
	}
	secrets := make([]signing.Secret, len(src.Secrets))
	for i, sealed := range src.Secrets {
		text, err := s.vault.Open(ctx, src.Tenant, secretPurpose(src.ID, sealed), sealed.Sealed)
		if err != nil {
			return nil, err
		}
		if secrets[i], err = scheme.ParseSecret(string(text)); err != nil {
			return nil, tenants.Refused("/custom", "invalid_secret", "the secret "+sealed.ID+" does not fit these terms: "+signing.Detail(err))
		}
	}
	return secrets, nil
}
