package source

import (
	"context"
	"errors"
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
	at := Token{Hash: hash}.lookup()
	found, err := record.Read[lookupRecord](ctx, s.table, at, notFound().Code, notFound().Detail)
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

// Verifier verifies requests by the schemes of their sources. It fetches a certificate if the scheme signs with one.
type Verifier struct{ certificates tenants.Certificates }

// NewVerifier returns a Verifier. If c is nil, requests signed with a certificate are refused.
func NewVerifier(c tenants.Certificates) Verifier { return Verifier{c} }

// Verify verifies the request with the secrets, which are in the order of Source.Secrets. A refusal is a
// *signing.Error. A certificate that cannot be fetched is a *tenants.Error.
func (v Verifier) Verify(ctx context.Context, src Source, secrets []signing.Secret, r signing.Request, now time.Time,
) (signing.Verified, error) {
	verified, _, err := v.verify(ctx, src, secrets, r, now)
	return verified, err
}

// Hints returns likely reasons why the source refuses the request. Only the source's tenant may see them.
func (v Verifier) Hints(ctx context.Context, src Source, secrets []signing.Secret, r signing.Request, now time.Time,
) []string {
	scheme, err := src.Scheme()
	if err != nil {
		return nil
	}
	_, o, _ := v.verify(ctx, src, secrets, r, now)
	return scheme.Hints(r, secrets, now, o)
}

func (v Verifier) verify(ctx context.Context, src Source, secrets []signing.Secret, r signing.Request, now time.Time,
) (signing.Verified, signing.Options, error) {
	o := signing.Options{Tolerance: src.Tolerance, AllowLegacy: src.AllowLegacy}
	scheme, err := src.Scheme()
	if err != nil {
		return signing.Verified{}, o, tenants.Errorf(tenants.Internal, "source_unusable", "%w", err)
	}
	verified, err := scheme.Verify(r, secrets, now, o)
	// A certificate is fetched only for a request that passes every other check.
	e, ok := errors.AsType[*signing.Error](err)
	if !ok || e.Code != signing.CertificateMissing || v.certificates == nil {
		return verified, o, err
	}
	address, err := scheme.CertificateURL(r)
	if err != nil {
		return verified, o, err
	}
	if o.Certificate, err = v.certificates.Certificate(ctx, address); err != nil {
		return verified, o, err
	}
	verified, err = scheme.Verify(r, secrets, now, o)
	return verified, o, err
}
