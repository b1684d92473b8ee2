package signing

import "time"

// Code says which step failed. The values are stable: they are shown to tenants and stored with rejected requests.
type Code = string

// The codes of an [Error].
const (
	SignatureMissing    Code = "signature_missing"          // no signature header, or an empty one
	SignatureMalformed  Code = "signature_malformed"        // no signature in it that can be read
	SignatureMismatch   Code = "signature_mismatch"         // readable, and not of these bytes under any secret
	SignatureDuplicate  Code = "signature_duplicate"        // a header of the scheme, or the timestamp, given twice
	TooManySignatures   Code = "too_many_signatures"        // over MaxSignatures, or a list over MaxHeader bytes
	LegacySignature     Code = "legacy_signature"           // only a deprecated signature, and the source did not opt in
	TimestampMissing    Code = "timestamp_missing"          // no timestamp, or an empty one
	TimestampMalformed  Code = "timestamp_malformed"        // not as the scheme's unit is written
	TimestampOutOfRange Code = "timestamp_out_of_tolerance" // signed, but too old or too far ahead; Skew says how much
	DeliveryIDMissing   Code = "delivery_id_missing"        // the scheme signs the id and there is no usable one
	BodyNotSigned       Code = "body_not_signed"            // the scheme covers some kinds of body, and this is of another
	CertificateMissing  Code = "certificate_missing"        // no address of a certificate, or nothing there
	CertificateRefused  Code = "certificate_refused"        // a certificate that is not the provider's
	VerifyTokenMismatch Code = "verify_token_mismatch"      // from Greet: a handshake with another token than the source's
	ChallengeMalformed  Code = "challenge_malformed"        // from Greet: a handshake that wants back what is not sent back
	UnknownScheme       Code = "unknown_scheme"             // the zero Scheme, or one with an algorithm that is not here
	NoSecret            Code = "no_secret"                  // nothing to verify with
	BadSecret           Code = "invalid_secret"             // from ParseSecret: the text cannot be this scheme's secret
	BadTerms            Code = "invalid_terms"              // from Customize
)

// Error is the only error that this package returns. Detail is for the tenant who sets the source up: it names headers
// and limits, and holds no secret, no signature and nothing else that the request brought.
type Error struct {
	Code   Code
	Detail string
	// Skew is the receiver's clock minus the timestamp, with TimestampOutOfRange only: positive for an old request.
	Skew time.Duration
}

// Error gives code and detail in one line.
func (e *Error) Error() string { return "signing: " + e.Code + ": " + e.Detail }

func fail(code Code, detail string) *Error { return &Error{Code: code, Detail: detail} }
