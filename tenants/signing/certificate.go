package signing

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"
)

// CertificateURL gives the address of the certificate that the request says it is signed with, "" for a scheme that signs
// with none. Whatever it gives has one of the pinned hosts over https, the pinned path and one plain segment behind it; any other
// address is refused. The error is an [*Error].
//
// Who fetches it owes: no redirect followed, a bounded body and time, the chain verified up to a root, and a bound on
// how many new addresses are asked for, since nobody has signed the request yet.
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
		return "", fail(CertificateMissing, "there is no "+p.Header+" header")
	}
	for host := range strings.FieldsSeq(p.Hosts) {
		if name, ok := strings.CutPrefix(address, "https://"+host+p.Path); ok && plain(name, 128, "-_") {
			return address, nil
		}
	}
	return "", fail(CertificateRefused, p.Header+" is not an address of the provider's certificates")
}

// pinned refuses a certificate that is not the provider's, or not of this time. Its chain is for whoever fetched it to verify.
func (s *Scheme) pinned(c *x509.Certificate, now time.Time) *Error {
	p := s.Certificate
	switch {
	case p.Header == "":
		return nil
	case c == nil:
		return fail(CertificateMissing, "the certificate that the request names is not there")
	case now.Before(c.NotBefore) || now.After(c.NotAfter):
		return fail(CertificateRefused, "the certificate that the request names is not valid at this time")
	}
	for name := range strings.FieldsSeq(p.Names) {
		if c.Subject.CommonName == name || slices.Contains(c.DNSNames, name) {
			return nil
		}
	}
	return fail(CertificateRefused, "the certificate that the request names is not the provider's")
}

// plain says whether a text is 1 to limit letters, digits and characters of more.
func plain(text string, limit int, more string) bool {
	if text == "" || len(text) > limit {
		return false
	}
	for i := range len(text) {
		c := text[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && !strings.ContainsRune(more, rune(c)) {
			return false
		}
	}
	return true
}
