package signing

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"
)

// CertificateURL returns the address of the certificate that the request names, or "" if the scheme uses none. A
// returned address uses https, one of the pinned hosts, and the pinned path followed by one plain segment; any other
// address is refused. The error is an [*Error].
//
// The caller that fetches it must follow no redirect, bound body and time, verify the chain up to a root, and limit
// how many new addresses it fetches, since the request is still unauthenticated.
func (s Scheme) CertificateURL(r Request) (string, error) {
	p := s.Certificate
	if p.Header == "" {
		return "", nil
	}
	address, present, err := r.single(p.Header)
	if err != nil {
		return "", err
	}
	if !present || address == "" {
		return "", fail(CertificateMissing, "the request has no header "+p.Header)
	}
	for host := range strings.FieldsSeq(p.Hosts) {
		if name, ok := strings.CutPrefix(address, "https://"+host+p.Path); ok && plain(name, 128, "-_") {
			return address, nil
		}
	}
	return "", fail(CertificateRefused, p.Header+" is not an address of the provider's certificates")
}

// pinned refuses a certificate that is not the provider's or not valid now. The caller that fetched it has verified
// its chain.
func (s *Scheme) pinned(c *x509.Certificate, now time.Time) *Error {
	p := s.Certificate
	switch {
	case p.Header == "":
		return nil
	case c == nil:
		return fail(CertificateMissing, "the certificate that the request names is missing")
	case now.Before(c.NotBefore) || now.After(c.NotAfter):
		return fail(CertificateRefused, "the certificate that the request names is not valid now")
	}
	for name := range strings.FieldsSeq(p.Names) {
		if c.Subject.CommonName == name || slices.Contains(c.DNSNames, name) {
			return nil
		}
	}
	return fail(CertificateRefused, "the certificate that the request names is not the provider's")
}

// plain reports whether text has 1 to limit bytes, each a letter, a digit or one of extra.
func plain(text string, limit int, extra string) bool {
	if text == "" || len(text) > limit {
		return false
	}
	for i := range len(text) {
		c := text[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && !strings.ContainsRune(extra, rune(c)) {
			return false
		}
	}
	return true
}
