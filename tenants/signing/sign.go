package signing

import (
	"strings"
	"time"
)

// Sign gives the headers that the provider would send with r, under canonical keys: signature, timestamp and, where the
// scheme has one, the header of the delivery id (left out for an empty id). An id that stands in the body is
// the caller's to write there. With the scheme "none" there is no signature. The error is an [*Error].
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
	if err := s.known(); err != nil {
		return nil, err
	}
	if secret.IsZero() {
		return nil, fail(NoSecret, "there is no secret to sign with")
	}
	if _, err := s.signedID(Request{Header: headers}); err != nil {
		return nil, err
	}
	stamp := ""
	if s.Timestamp.Header != "" {
		stamp = s.Timestamp.text(now)
		if _, err := s.Timestamp.parse(stamp); err != nil {
			return nil, err
		}
	}
	var buf [maxSum]byte
	sum := s.Mark.Algorithm.sum(buf[:], secret.bytes(), s.message(r, id, stamp))
	value := s.Mark.Prefix + s.Mark.Encoding.encode(sum)
	switch {
	case s.Timestamp.Header == s.Mark.Header:
		value = strings.Join([]string{s.Timestamp.Prefix + stamp, value}, s.Separator)
	case s.Timestamp.Header != "":
		headers[s.Timestamp.Header] = []string{stamp}
	}
	headers[s.Mark.Header] = []string{value}
	return headers, nil
}
