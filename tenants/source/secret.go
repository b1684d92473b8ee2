package source

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/keyring"
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
	return made, shown, err
}

// RemoveSecret removes a secret of the source at once. Unknown: NotFound secret_not_found. The last one without an end:
// Conflict last_secret.
func (s *Sources) RemoveSecret(ctx context.Context, tenant tenants.TenantID, id, secret string) error {
	_, err := s.edit(ctx, tenant, id, func(src *Source) ([]tenants.Op, error) {
		n := len(src.Secrets)
		src.Secrets = slices.DeleteFunc(src.Secrets, func(x tenants.SealedSecret) bool { return x.ID == secret })
		if len(src.Secrets) == n {
			return nil, tenants.Errorf(tenants.NotFound, "secret_not_found", "the source has no secret with this id")
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
	made.Sealed, err = s.vault.Seal(ctx, src.Tenant, secretPurpose(src.ID, made), []byte(text))
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
		text, err := s.vault.Open(ctx, src.Tenant, secretPurpose(src.ID, sealed), sealed.Sealed)
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

// newToken makes a token for the source's URL: 26 random characters (128 bits) and a keyed checksum.
func (s *Sources) newToken(ctx context.Context, src Source) (Token, string, error) {
	var b [16]byte
	rand.Read(b[:])
	body := tenants.EncodeID(b)
	text := body + s.deployment.Sources().Checksum(body)
	sealed, err := s.vault.Seal(ctx, src.Tenant, tokenPurpose(src.ID), []byte(text))
	return Token{Hash: keyring.HashText(text), Sealed: sealed}, text, err
}

// secretPurpose binds a sealed secret to its place: in another source's record it does not open.
func secretPurpose(source string, s tenants.SealedSecret) string {
	return "source-secret/" + source + "/" + s.ID
}

func tokenPurpose(source string) string { return "source-token/" + source }

// VerifyToken returns the text that the tenant enters at a provider that asks for a verify token
// (signing.Scheme.VerifyToken). It is derived from the source's id and never changes. It is not the token of the URL,
// which the provider's requests show.
func (s *Sources) VerifyToken(src Source) string {
	sum := s.deployment.Sources().MAC("verify token", string(src.Tenant), src.ID)
	return tenants.EncodeID([16]byte(sum))
}
