package signing

import (
	"crypto/x509"
	"strings"
	"time"
)

// Options are a source's choices, and what it takes to verify that is not in the request.
type Options struct {
	// Tolerance is how far a timestamp may be from the clock; zero or less: the scheme's own. It cannot be turned off.
	Tolerance time.Duration
	// AllowLegacy accepts the scheme's deprecated signatures where the proper one is absent.
	AllowLegacy bool
	// Certificate is the one at CertificateURL, verified up to a root; nil with a scheme that signs with none.
	Certificate *x509.Certificate
}

// Verified is what may be believed of a request. With the scheme "none" it is only what the request says.
type Verified struct {
	Scheme string
	Secret int // index of the secret that matched, -1 with the scheme "none"
	// Timestamp is when the provider signed; zero where the scheme signs no time.
	Timestamp time.Time
	// DeliveryID, Type and Attempt (counted from 1) are empty where the request has none that is usable.
	DeliveryID, Type string
	Attempt          int
	// IDSigned says that DeliveryID is covered by the signature. Where not, it may be new on a replayed request.
	IDSigned bool
	// Legacy says that a deprecated signature was accepted.
	Legacy bool
	// Notes say what was there and left out, and why, in words without the request's own.
	Notes []string
}

// Verify checks the request against every secret. The order of secrets does not matter; empty ones are passed over.
// The error is an [*Error]. A timestamp's age is weighed only once the signature has passed, so that
// timestamp_out_of_tolerance always means that the secret is right.
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
		return Verified{}, fail(NoSecret, "there is no secret to verify with")
	}
	sets, legacy, err := s.offered(r, o.AllowLegacy)
	if err != nil {
		return Verified{}, err
	}
	if s.answerable(r.Body) {
		return Verified{}, fail(SignatureMismatch, "a body like this could be a handshake's answer, which anybody may ask for")
	}
	var signed time.Time
	for _, c := range sets {
		if v.Secret, signed, err = s.judge(r, c, secrets, now, o); err == nil {
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

// judge compares one set of signatures, and gives the index of the secret that made one of them and when that was.
func (s *Scheme) judge(r Request, c candidates, secrets []Secret, now time.Time, o Options) (found int, signed time.Time, err *Error) {
	f := facts{Request: r, digest: s.Digest}
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

// timestamp reads the timestamp, as text for the signature and as an instant.
func (s *Scheme) timestamp(r Request, c candidates) (text string, signed time.Time, err *Error) {
	t := s.Timestamp
	present := c.stamps == 1
	text = c.timestamp
	switch {
	case t.Field != "":
		var ok bool
		if text, ok = signedField(r.Body, t.Field); !ok {
			return "", time.Time{}, fail(TimestampMissing, "the body is no JSON with exactly one field "+t.Field)
		}
		present = text != ""
	case t.Prefix == "":
		if text, present, err = r.single(t.Header); err != nil {
			return "", time.Time{}, err
		}
	}
	if !present {
		return "", time.Time{}, fail(TimestampMissing, "there is no "+t.name())
	}
	signed, err = t.parse(text)
	return text, signed, err
}

// signedID reads the delivery id where the template covers it.
func (s *Scheme) signedID(r Request, template string) (string, *Error) {
	if !strings.Contains(template, idPart) {
		return "", nil
	}
	id, present, err := r.single(s.ID[0].Header)
	if err != nil {
		return "", err
	}
	if !present {
		return "", fail(DeliveryIDMissing, "there is no "+s.ID[0].Header+" header")
	}
	if reason := unusable(id, MaxDeliveryID); reason != "" {
		return "", fail(DeliveryIDMissing, s.ID[0].Header+" "+reason)
	}
	// With the joiner in it, bytes could be moved between id, timestamp and body under the same signature
	// (Standard Webhooks, "Signature scheme").
	_, after, _ := strings.Cut(template, idPart)
	if joiner, _, _ := strings.Cut(after, "{"); joiner != "" && strings.Contains(id, joiner) {
		return "", fail(DeliveryIDMissing, s.ID[0].Header+` holds "`+joiner+`", which parts it from what follows`)
	}
	return id, nil
}
