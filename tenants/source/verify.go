package source

import (
	"context"
	"errors"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
)

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
func (v Verifier) Hints(ctx context.Context, src Source, secrets []signing.Secret, r signing.Request,
	now time.Time) []string {
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
	if e, ok := errors.AsType[*signing.Error](err); !ok || e.Code != signing.CertificateMissing ||
		v.certificates == nil {
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
