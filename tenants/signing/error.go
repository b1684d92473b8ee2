package signing

import (
	"errors"
	"time"
)

// Code says which step failed. The values are stable: tenants see them, and they are stored with rejected requests.
type Code = string

// The codes of an [Error].
const (
	SignatureMissing    Code = "signature_missing"          // the signature header is absent or empty
	SignatureMalformed  Code = "signature_malformed"        // the header holds no well-formed signature
	SignatureMismatch   Code = "signature_mismatch"         // well-formed, but it does not match under any secret
	SignatureDuplicate  Code = "signature_duplicate"        // a header of the scheme or the timestamp is repeated
	TooManySignatures   Code = "too_many_signatures"        // more than MaxSignatures, or a list over MaxHeader bytes
	LegacySignature     Code = "legacy_signature"           // deprecated, and the source did not opt in
	TimestampMissing    Code = "timestamp_missing"          // the timestamp is absent or empty
	TimestampMalformed  Code = "timestamp_malformed"        // not in the scheme's unit
	TimestampOutOfRange Code = "timestamp_out_of_tolerance" // too old or too far ahead, see Skew
	DeliveryIDMissing   Code = "delivery_id_missing"        // the scheme signs the id; none is usable
	BodyNotSigned       Code = "body_not_signed"            // the scheme does not cover a body of this kind
	CertificateMissing  Code = "certificate_missing"        // no certificate address, or no certificate there
	CertificateRefused  Code = "certificate_refused"        // the certificate is not the provider's, or not valid now
	VerifyTokenMismatch Code = "verify_token_mismatch"      // from Greet: the token of a handshake is not the source's
	ChallengeMalformed  Code = "challenge_malformed"        // from Greet: the value to be echoed is not acceptable
	UnknownScheme       Code = "unknown_scheme"             // the zero Scheme, or one with an unknown algorithm
	NoSecret            Code = "no_secret"                  // no secret to verify or sign with
	BadSecret           Code = "invalid_secret"             // from ParseSecret: the text does not fit the scheme
	BadTerms            Code = "invalid_terms"              // from Customize: the terms do not fit the scheme
)

// Error is the only error type of this package. Detail is written for the tenant that configures the source: it names
// headers and limits, and contains no secret, no signature and no other content of the request.
type Error struct {
	Code   Code
	Detail string
	// Skew is the receiver's clock minus the timestamp, positive for an old request. It is set with
	// TimestampOutOfRange only.
	Skew time.Duration
}

// Error returns code and detail on one line.
func (e *Error) Error() string { return "signing: " + e.Code + ": " + e.Detail }

// Detail returns the Detail of the [*Error] in err, or a general text if there is none. The result may be shown to the
// tenant.
func Detail(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Detail
	}
	return "it is not accepted"
}

func fail(code Code, detail string) *Error { return &Error{Code: code, Detail: detail} }
