package source

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/signing"
)

// ByToken returns the source whose URL holds the token, and its secrets, which stand in the order of Source.Secrets; those
// that have ended are in neither. It may go on by what it read up to 5 s ago. A token that we did not make, without I/O, an
// unknown, replaced or expired one: NotFound source_not_found. A suspended tenant: Forbidden tenant_suspended.
func (s *Sources) ByToken(ctx context.Context, token string) (Source, []signing.Secret, error) {
	if _, ok := s.deployment.Sources().CutChecksum(token, tenants.IDChars); !ok {
		return Source{}, nil, sourceNotFound()
	}
	hash := keyring.HashText(token)
	o, err := s.found.Get(ctx, hash, func(ctx context.Context) (openSource, error) { return s.find(ctx, hash) })
	if err != nil {
		return Source{}, nil, err
	}
	if _, err := s.accounts.Active(ctx, o.Tenant); err != nil {
		if tenants.KindOf(err) == tenants.NotFound {
			err = sourceNotFound()
		}
		return Source{}, nil, err
	}
	now := time.Now()
	if tenants.Ended(o.expires, now) {
		return Source{}, nil, sourceNotFound()
	}
	src, secrets := o.at(now)
	return src, secrets, nil
}

func (s *Sources) find(ctx context.Context, hash string) (openSource, error) {
	found, err := record.Read[sourceLookup](ctx, s.table, Token{Hash: hash}.lookup(), "source_not_found", "there is no such source")
	if err != nil {
		return openSource{}, err
	}
	src, err := s.Get(ctx, found.Tenant, found.ID)
	if err != nil {
		return openSource{}, err
	}
	secrets, err := s.open(ctx, src)
	if err != nil && tenants.KindOf(err) == tenants.Unprocessable { // a defect of what is stored, not of the request
		err = tenants.Errorf(tenants.Internal, "source_unusable", "%w", err)
	}
	if err != nil {
		return openSource{}, err
	}
	return openSource{src, secrets, found.Expires}, nil
}

// at leaves out what has ended. It copies only where something has: what is cached is shared.
func (o openSource) at(now time.Time) (Source, []signing.Secret) {
	over := func(x tenants.SealedSecret) bool { return tenants.Ended(x.NotAfter, now) }
	if !slices.ContainsFunc(o.Secrets, over) {
		return o.Source, o.secrets
	}
	src := o.Source
	src.Secrets = nil
	var secrets []signing.Secret
	for i, x := range o.Secrets {
		if !over(x) {
			src.Secrets = append(src.Secrets, x)
			secrets = append(secrets, o.secrets[i])
		}
	}
	return src, secrets
}

// newToken makes what stands in a source's URL: 26 random characters (128 bits) and a keyed checksum. It is sealed so that
// the URL can be shown again.
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

// VerifyToken returns what the tenant enters as the verify token at a provider that asks for one (signing.Scheme.VerifyToken). It
// follows from the source's id, lasts as long as the source, and is not the token of its URL, which the provider's requests show.
func (s *Sources) VerifyToken(src Source) string {
	sum := s.deployment.Sources().MAC("verify token", string(src.Tenant), src.ID)
	return tenants.EncodeID([16]byte(sum))
}
