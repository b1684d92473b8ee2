package signing

import (
	"crypto/x509"
	"strings"
	"time"
)

// Options are a source's choices, and other inputs to verification that are not in the request.
type Options struct {
	// Tolerance is the largest distance of a timestamp from the clock; zero or less means the scheme's own. It cannot
	// be disabled.
	Tolerance time.Duration
	// AllowLegacy accepts the scheme's deprecated signatures if the current one is absent.
	AllowLegacy bool
	// Certificate is the one at CertificateURL, verified up to a root; nil for a scheme without certificates.
	Certificate *x509.Certificate
}

// Verified is the trusted content of a request. With the scheme "none" it is only what the request claims.
type Verified struct {
	Scheme string
	Secret int // index of the matching secret, -1 with the scheme "none"
	// Timestamp is the time of signing; zero if the scheme signs no time.
	Timestamp time.Time
	// DeliveryID, Type and Attempt (counted from 1) are empty if the request has no usable value.
	DeliveryID, Type string
	Attempt          int
	// IDSigned says that the signature covers DeliveryID. If false, a replayed request can carry a new one.
	IDSigned bool
	// Legacy says that a deprecated signature was accepted.
	Legacy bool
	// Notes say which values were present but ignored, and why, without quoting the request.
	Notes []string
}

// Verify checks the request against every secret, in any order; empty ones are ignored. The error is an [*Error]. The
// timestamp's age is checked only after the signature, so timestamp_out_of_tolerance always means that the secret is
// right.
func (s Scheme) Verify(r Request, secrets []Secret, now time.Time, o Options) (Verified, error) {
	v := Verified{Scheme: s.Name, Secret: -1}
	if s.None() {
		s.identify(r, &v)
		return v, nil
	}
	if err := s.known(); err != nil {
		return Verified{}, err
	}
	if !hasKey(secrets) {
		return Verified{}, fail(NoSecret, "a secret is needed to verify")
	}
	sets, legacy, err := s.collect(r, o.AllowLegacy)
	if err != nil {
		return Verified{}, err
	}
	if s.answerable(r.Body) {
		return Verified{}, fail(SignatureMismatch,
			"a body like this could come from a handshake, whose answer anyone can request")
	}
	var signed time.Time
	for _, c := range sets {
		if v.Secret, signed, err = s.verifySet(r, c, secrets, now, o); err == nil {
			break
		}
	}
	if err != nil {
		return Verified{}, err
	}
	if !signed.IsZero() {
		if err := s.Timestamp.check(signed, now, o.Tolerance); err != nil {
			return Verified{}, err
		}
		v.Timestamp = signed
	}
	v.Legacy = legacy
	s.identify(r, &v)
	return v, nil
}

// verifySet verifies one set of signatures, and returns the index of the secret that made one of them and the time of
// signing.
func (s *Scheme) verifySet(r Request, c candidates, secrets []Secret, now time.Time, o Options) (found int,
	signed time.Time, err *Error) {
	f := inputs{Request: r, digest: s.Digest}
	template := s.Signed
	if c.mark.Signed != "" {
		template = c.mark.Signed
	}
	if s.Timestamp.set() && (c.mark.Signed == "" || strings.Contains(template, timestampPart)) {
		if f.timestamp, signed, err = s.timestamp(r, c); err != nil {
			return -1, signed, err
		}
	}
	if f.id, err = s.signedID(r, template); err != nil {
		return -1, signed, err
	}
	if err := s.pinned(o.Certificate, now); err != nil {
		return -1, signed, err
	}
	found, err = s.match(c, secrets, template, f, o.Certificate)
	return found, signed, err
}

// timestamp returns the timestamp, as text for the signature and as a time.
func (s *Scheme) timestamp(r Request, c candidates) (text string, signed time.Time, err *Error) {
	t := s.Timestamp
	present := c.stamps == 1
	text = c.timestamp
	switch {
	case t.Field != "":
		var ok bool
		if text, ok = signedField(r.Body, t.Field); !ok {
			return "", time.Time{}, fail(TimestampMissing, "the body must be JSON with exactly one field "+t.Field)
		}
		present = text != ""
	case t.Prefix == "":
		if text, present, err = r.single(t.Header); err != nil {
			return "", time.Time{}, err
		}
	}
	if !present {
		return "", time.Time{}, fail(TimestampMissing, "the request has no "+t.name())
	}
	signed, err = t.parse(text)
	return text, signed, err
}

// signedID returns the delivery id if the template covers it.
func (s *Scheme) signedID(r Request, template string) (string, *Error) {
	if !strings.Contains(template, idPart) {
		return "", nil
	}
	id, present, err := r.single(s.ID[0].Header)
	if err != nil {
		return "", err
	}
	if !present {
		return "", fail(DeliveryIDMissing, "the request has no header "+s.ID[0].Header)
	}
	if reason := unusable(id, MaxDeliveryID); reason != "" {
		return "", fail(DeliveryIDMissing, s.ID[0].Header+" "+reason)
	}
	// If the id contained the separator, bytes could be moved between id, timestamp and body under the same signature
	// (Standard Webhooks, "Signature scheme").
	_, after, _ := strings.Cut(template, idPart)
	if joiner, _, _ := strings.Cut(after, "{"); joiner != "" && strings.Contains(id, joiner) {
		return "", fail(DeliveryIDMissing, s.ID[0].Header+` contains "`+
			joiner+`", which separates it from the next part`)
	}
	return id, nil
}
