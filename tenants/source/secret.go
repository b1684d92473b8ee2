package source

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
)

// SecretSpec holds the values of an additional secret that a caller chooses.
type SecretSpec struct {
	Secret  string         // "": a new one, if the scheme lets the receiver choose
	Overlap *time.Duration // how long the existing secrets keep verifying, 0 to tenants.MaxOverlap; nil: no end
}

// AddSecret adds a secret to the source, for a rotation at the provider. A request is genuine if any of the secrets
// verifies it. More than MaxSecrets: Conflict secret_limit. A secret that the scheme cannot use: Unprocessable
// invalid_secret.
func (s *Sources) AddSecret(ctx context.Context, tenant tenants.TenantID, id string, spec SecretSpec,
) (tenants.SealedSecret, Secrets, error) {
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
			return nil, tenants.Errorf(tenants.Conflict, "secret_limit",
				"a source can have at most 8 secrets; remove one first")
		}
		src.Secrets = append(src.Secrets, made)
		return nil, nil
	})
	if err != nil {
		return tenants.SealedSecret{}, Secrets{}, err
	}
	return made, shown, nil
}

// RemoveSecret removes a secret of the source at once. Unknown: NotFound secret_not_found. The last one without an end:
// Conflict last_secret.
func (s *Sources) RemoveSecret(ctx context.Context, tenant tenants.TenantID, id, secret string) error {
	_, err := s.edit(ctx, tenant, id, func(src *Source) ([]tenants.Op, error) {
		n := len(src.Secrets)
		src.Secrets = slices.DeleteFunc(src.Secrets, func(x tenants.SealedSecret) bool { return x.ID == secret })
		if len(src.Secrets) == n {
			return nil, tenants.Errorf(tenants.NotFound, "secret_not_found", "there is no such secret of this source")
		}
		if !slices.ContainsFunc(src.Secrets, func(x tenants.SealedSecret) bool { return x.NotAfter.IsZero() }) {
			return nil, tenants.Errorf(tenants.Conflict, "last_secret",
				"the last secret cannot be removed: without it nothing could be verified")
		}
		return nil, nil
	})
	return err
}

// newSecret checks and seals the tenant's secret. If text is empty and the scheme lets the receiver choose, it makes
// one.
func (s *Sources) newSecret(ctx context.Context, src Source, scheme signing.Scheme, text string,
) (made tenants.SealedSecret, shown Secrets, err error) {
	if scheme.None() {
		return made, shown, tenants.Refused("/secret", "invalid_secret",
			"the provider none verifies nothing and takes no secret")
	}
	if text == "" && scheme.Key.Ours {
		if text = scheme.NewSecret(rand.Reader); text == "" {
			return made, shown, tenants.Errorf(tenants.Internal, "secret_not_made", "a secret could not be made")
		}
		shown.Secret = text
	}
	parsed, err := scheme.ParseSecret(text)
	if err != nil {
		return made, Secrets{}, tenants.Refused("/secret", "invalid_secret", signing.Detail(err))
	}
	shown.Weak = parsed.Weak()
	made.ID, made.Created = tenants.NewID(tenants.PrefixSecret), time.Now().UTC().Truncate(time.Second)
	made.Sealed, err = s.vault.Seal(ctx, src.Tenant, made.Purpose(src.ID), []byte(text))
	return made, shown, err
}

// open opens the source's secrets, in their order. A secret that the source's scheme cannot use: Unprocessable.
func (s *Sources) open(ctx context.Context, src Source) ([]signing.Secret, error) {
	scheme, err := src.Scheme()
	if err != nil {
		return nil, err
	}
	secrets := make([]signing.Secret, len(src.Secrets))
	for i, sealed := range src.Secrets {
		text, err := s.vault.Open(ctx, src.Tenant, sealed.Purpose(src.ID), sealed.Sealed)
		if err != nil {
			return nil, err
		}
		if secrets[i], err = scheme.ParseSecret(string(text)); err != nil {
			return nil, tenants.Refused("/custom", "invalid_secret",
				"the secret "+sealed.ID+" does not fit these terms: "+signing.Detail(err))
		}
	}
	return secrets, nil
}
