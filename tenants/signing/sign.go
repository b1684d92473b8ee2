package signing

import (
	"crypto"
	"crypto/rand"
	"strings"
	"time"
)

// Sign returns the headers that the provider would send with r, under canonical keys: signature, timestamp and, if
// the scheme has one, the delivery id header (omitted if id is empty). Values in the body (an id, a timestamp, a
// signature from [Scheme.Signature]) are the caller's to write. The scheme "none" adds no signature. A scheme with
// public keys needs a secret from [Scheme.Signer]. The error is an [*Error].
func (s Scheme) Sign(secret Secret, r Request, id string, now time.Time) (map[string][]string, error) {
	headers := map[string][]string{}
	if name := s.ID[0].Header; name != "" && id != "" {
		if reason := unusable(id, MaxDeliveryID); reason != "" {
			return nil, fail(DeliveryIDMissing, "the delivery id "+reason)
		}
		headers[name] = []string{id}
	}
	if s.None() {
		return headers, nil
	}
	stamp, err := s.stamp(r, now)
	if err != nil {
		return nil, err
	}
	text, err := s.signature(secret, r, id, stamp)
	if err != nil {
		return nil, err
	}
	mark := s.markOf(secret)
	value := mark.Prefix + text
	switch {
	case s.Timestamp.Header == "":
	case s.Timestamp.Header == mark.Header:
		value = strings.Join([]string{s.Timestamp.Prefix + stamp, value}, s.Separator)
	default:
		headers[s.Timestamp.Header] = []string{stamp}
	}
	switch {
	case mark.Numbered > 0:
		headers[mark.Header+"-1"] = []string{value}
	case mark.Header != "":
		headers[mark.Header] = []string{value}
	}
	return headers, nil
}

// Signature returns the signature alone, for a scheme whose signature is in the body.
func (s Scheme) Signature(secret Secret, r Request, id string, now time.Time) (string, error) {
	stamp, err := s.stamp(r, now)
	if err != nil {
		return "", err
	}
	text, err := s.signature(secret, r, id, stamp)
	if err != nil {
		return "", err
	}
	return text, nil
}

func (s *Scheme) markOf(secret Secret) Mark {
	if !secret.IsZero() && secret.material().kind == 1 {
		return s.Also.Mark
	}
	return s.Mark
}

// stamp returns the timestamp to sign: now, or the one in the body.
func (s *Scheme) stamp(r Request, now time.Time) (string, error) {
	if !s.Timestamp.set() {
		return "", nil
	}
	if s.Timestamp.Field != "" {
		stamp, _, err := s.timestamp(r, candidates{})
		if err != nil {
			return "", err
		}
		return stamp, nil
	}
	stamp := s.Timestamp.text(now)
	if _, err := s.Timestamp.parse(stamp); err != nil {
		return "", err
	}
	return stamp, nil
}

func (s *Scheme) signature(secret Secret, r Request, id, stamp string) (string, error) {
	if err := s.known(); err != nil {
		return "", err
	}
	if secret.IsZero() {
		return "", fail(NoSecret, "a secret is needed to sign")
	}
	f := inputs{Request: r, timestamp: stamp, digest: s.Digest}
	headers := map[string][]string{}
	if id != "" {
		headers[s.ID[0].Header] = []string{id}
	}
	var err *Error
	if f.id, err = s.signedID(Request{Header: headers}, s.Signed); err != nil {
		return "", err
	}
	k := secret.material()
	f.secret = k.raw
	m, err := fillIn(s.Signed, f)
	if err != nil {
		return "", err
	}
	mark := s.markOf(secret)
	if mark.Algorithm == Token {
		return string(k.raw), nil
	}
	if !mark.Algorithm.Public() {
		var buf [maxSum]byte
		return mark.Encoding.encode(mark.Algorithm.sum(buf[:], k.raw, m)), nil
	}
	if k.private == nil {
		return "", fail(NoSecret, "a public key cannot sign")
	}
	message, hash := m.whole(), crypto.Hash(0)
	if mark.Algorithm != Ed25519 {
		sum := m.sha256()
		message, hash = sum[:], crypto.SHA256
	}
	signature, cause := k.private.Sign(rand.Reader, message, hash)
	if cause != nil {
		return "", fail(NoSecret, "the private key failed to sign")
	}
	return mark.Encoding.encode(signature), nil
}
