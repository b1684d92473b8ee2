package signing

import (
	"crypto/subtle"
	"strings"
	"time"
)

// Options are a source's choices.
type Options struct {
	// Tolerance is how far a timestamp may be from the clock; zero or less: the scheme's own. It cannot be turned off.
	Tolerance time.Duration
	// AllowLegacy accepts the scheme's deprecated signatures where the proper one is absent.
	AllowLegacy bool
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
	mark, value, legacy, err := s.pick(r, o.AllowLegacy)
	if err != nil {
		return Verified{}, err
	}
	c, err := s.collect(mark, value)
	if err != nil {
		return Verified{}, err
	}
	stamp, signed, err := s.timestamp(r, c)
	if err != nil {
		return Verified{}, err
	}
	id, err := s.signedID(r)
	if err != nil {
		return Verified{}, err
	}
	if v.Secret, err = s.match(mark, c, secrets, s.message(r, id, stamp)); err != nil {
		return Verified{}, err
	}
	if s.Timestamp.Header != "" {
		if err := s.Timestamp.check(signed, now, o.Tolerance); err != nil {
			return Verified{}, err
		}
		v.Timestamp = signed
	}
	v.Legacy = legacy
	s.identify(r, &v)
	return v, nil
}

// timestamp reads the timestamp, as text for the signature and as an instant.
func (s Scheme) timestamp(r Request, c candidates) (text string, signed time.Time, err *Error) {
	t := s.Timestamp
	if t.Header == "" {
		return "", time.Time{}, nil
	}
	present := c.stamps == 1
	text = c.timestamp
	if t.Prefix == "" {
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

// signedID reads the delivery id where the signature covers it.
func (s Scheme) signedID(r Request) (string, *Error) {
	if !s.signs(idPart) {
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
	_, after, _ := strings.Cut(s.Signed, idPart)
	if joiner, _, _ := strings.Cut(after, "{"); joiner != "" && strings.Contains(id, joiner) {
		return "", fail(DeliveryIDMissing, s.ID[0].Header+` holds "`+joiner+`", which parts it from what follows`)
	}
	return id, nil
}

// match computes one MAC per secret and compares it with every candidate that can be read, in constant time and to the
// end whatever matched before. A candidate that cannot be read is passed over while there is another.
func (s Scheme) match(mark Mark, c candidates, secrets []Secret, m message) (int, *Error) {
	size := mark.Algorithm.size()
	var sums [MaxSignatures][maxSum]byte
	readable := 0
	for _, text := range c.text[:c.n] {
		// +2: a base64 decoder may write up to the padding's places before it sees the padding.
		var buf [maxSum + 2]byte
		if sum, ok := mark.Encoding.decode(buf[:], text, size); ok {
			copy(sums[readable][:], sum)
			readable++
		}
	}
	if readable == 0 {
		return -1, fail(SignatureMalformed, mark.Header+" holds no whole "+string(mark.Encoding)+" "+string(mark.Algorithm))
	}
	found := -1
	var buf [maxSum]byte
	for i := len(secrets) - 1; i >= 0; i-- {
		if secrets[i].IsZero() {
			continue
		}
		sum := mark.Algorithm.sum(buf[:], secrets[i].bytes(), m)
		hit := 0
		for j := range readable {
			hit |= subtle.ConstantTimeCompare(sum, sums[j][:size])
		}
		found = subtle.ConstantTimeSelect(hit, i, found)
	}
	if found < 0 {
		return -1, fail(SignatureMismatch, "the signature is not of these bytes under any secret of the source")
	}
	return found, nil
}
