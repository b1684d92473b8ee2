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

// ByToken returns the source whose URL has the token, and its opened secrets in the order of Source.Secrets. Both are
// without secrets that have ended. The answer can be up to 5 s old. A token that is unknown, replaced or expired, or
// that this deployment did not make, which takes no I/O to find out: NotFound source_not_found. A suspended tenant:
// Forbidden tenant_suspended.
func (s *Sources) ByToken(ctx context.Context, token string) (Source, []signing.Secret, error) {
	if _, ok := s.deployment.Sources().CutChecksum(token, tenants.IDChars); !ok {
		return Source{}, nil, notFound()
	}
	hash := keyring.HashText(token)
	o, err := s.found.Get(ctx, hash, func(ctx context.Context) (openSource, error) { return s.find(ctx, hash) })
	if err != nil {
		return Source{}, nil, err
	}
	now := time.Now()
	_, err = s.accounts.Active(ctx, o.Tenant)
	switch {
	case tenants.IsNotFound(err) || err == nil && tenants.Ended(o.expires, now):
		return Source{}, nil, notFound()
	case err != nil:
		return Source{}, nil, err
	}
	src, secrets := o.at(now)
	return src, secrets, nil
}

func (s *Sources) find(ctx context.Context, hash string) (openSource, error) {
	found, err := record.Read[lookupRecord](ctx, s.table, Token{Hash: hash}.lookup(), notFound().Code,
		notFound().Detail)
	if err != nil {
		return openSource{}, err
	}
	src, err := s.Get(ctx, found.Tenant, found.ID)
	if err != nil {
		return openSource{}, err
	}
	secrets, err := s.open(ctx, src)
	if tenants.KindOf(err) == tenants.Unprocessable { // the stored source is at fault, not the request
		err = tenants.Errorf(tenants.Internal, "source_unusable", "%w", err)
	}
	if err != nil {
		return openSource{}, err
	}
	return openSource{src, secrets, found.Expires}, nil
}

// at returns the source and its secrets without the secrets that have ended. It does not change o, which is cached.
func (o openSource) at(now time.Time) (Source, []signing.Secret) {
	ended := func(x tenants.SealedSecret) bool { return tenants.Ended(x.NotAfter, now) }
	if !slices.ContainsFunc(o.Secrets, ended) {
		return o.Source, o.secrets
	}
	src := o.Source
	src.Secrets = nil
	var secrets []signing.Secret
	for i, x := range o.Secrets {
		if !ended(x) {
			src.Secrets = append(src.Secrets, x)
			secrets = append(secrets, o.secrets[i])
		}
	}
	return src, secrets
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

func tokenPurpose(source string) string { return "source-token/" + source }

// VerifyToken returns the text that the tenant enters at a provider that asks for a verify token
// (signing.Scheme.VerifyToken). It is derived from the source's id and never changes. It is not the token of the URL,
// which the provider's requests show.
func (s *Sources) VerifyToken(src Source) string {
	sum := s.deployment.Sources().MAC("verify token", string(src.Tenant), src.ID)
	return tenants.EncodeID([16]byte(sum))
}
