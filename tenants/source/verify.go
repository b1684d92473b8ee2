package source

import (
	"context"
	"errors"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
)

// Verifier holds requests against their sources: the scheme on the source's terms, and the certificate where the scheme signs with one.
type Verifier struct{ certificates tenants.Certificates }

// NewVerifier makes a Judge. Without certificates nil, what is signed with one is refused.
func NewVerifier(c tenants.Certificates) Verifier { return Verifier{c} }

// Verify says whether the source may believe the request, under secrets in the order of Source.Secrets. A refusal is a *signing.Error;
// a certificate that cannot be had is an *Error.
func (j Verifier) Verify(ctx context.Context, src Source, secrets []signing.Secret, r signing.Request, now time.Time) (signing.Verified, error) {
	v, _, err := j.verify(ctx, src, secrets, r, now)
	return v, err
}

// Hints says what may have gone wrong with a request that the source refuses. For the source's tenant alone.
func (j Verifier) Hints(ctx context.Context, src Source, secrets []signing.Secret, r signing.Request, now time.Time) []string {
	scheme, err := src.Scheme()
	if err != nil {
		return nil
	}
	_, o, _ := j.verify(ctx, src, secrets, r, now)
	return scheme.Hints(r, secrets, now, o)
}

func (j Verifier) verify(ctx context.Context, src Source, secrets []signing.Secret, r signing.Request, now time.Time) (signing.Verified, signing.Options, error) {
	o := signing.Options{Tolerance: src.Tolerance, AllowLegacy: src.AllowLegacy}
	scheme, err := src.Scheme()
	if err != nil {
		return signing.Verified{}, o, tenants.Errorf(tenants.Internal, "source_unusable", "%w", err)
	}
	v, err := scheme.Verify(r, secrets, now, o)
	// Whatever can be refused without its certificate is, so that nothing is fetched for it.
	if e, ok := errors.AsType[*signing.Error](err); !ok || e.Code != signing.CertificateMissing || j.certificates == nil {
		return v, o, err
	}
	address, err := scheme.CertificateURL(r)
	if err != nil {
		return v, o, err
	}
	if o.Certificate, err = j.certificates.Certificate(ctx, address); err != nil {
		return v, o, err
	}
	v, err = scheme.Verify(r, secrets, now, o)
	return v, o, err
}
