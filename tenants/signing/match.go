package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"net/url"
	"strings"
)

// match returns the index of the secret that made one of the signatures. It compares in constant time and always to
// the end, even after a match. Malformed signatures are ignored as long as one is well-formed.
func (s *Scheme) match(c candidates, secrets []Secret, template string, f inputs, certificate *x509.Certificate) (int,
	*Error) {
	kinds := [2]struct {
		mark     Mark
		readable [][]byte
	}{{mark: c.mark}, {mark: s.Also.Mark}}
	total := 0
	for i, texts := range [2][]string{c.text, c.also} {
		for _, text := range texts {
			if sum, ok := kinds[i].mark.read(text); ok {
				kinds[i].readable = append(kinds[i].readable, sum)
			}
		}
		total += len(kinds[i].readable)
	}
	if total == 0 {
		return -1, fail(SignatureMalformed, c.mark.Header+c.mark.Field+" holds no complete "+string(c.mark.Algorithm)+
			" signature in "+string(c.mark.Encoding))
	}
	found := -1
	urls := s.spellings(f.URL)
	for _, f.URL = range urls {
		var m message
		var err *Error
		perSecret := strings.Contains(template, secretPart)
		if !perSecret {
			if m, err = fillIn(template, f); err != nil {
				return -1, err
			}
		}
		for i := len(secrets) - 1; i >= 0; i-- {
			secret := secrets[i]
			if secret.IsZero() {
				continue
			}
			k := secret.material()
			if perSecret {
				f.secret = k.raw
				if m, err = fillIn(template, f); err != nil {
					return -1, err
				}
			}
			kind := kinds[k.kind]
			if certificate != nil {
				k.public = certificate.PublicKey
			}
			found = subtle.ConstantTimeSelect(kind.mark.matches(k, m, kind.readable), i, found)
		}
	}
	if found < 0 {
		return -1, fail(SignatureMismatch, "the signature does not match the request under any secret of the source")
	}
	return found, nil
}

// read decodes the text of a signature.
func (mark Mark) read(text string) ([]byte, bool) {
	if mark.Algorithm == Token {
		return []byte(text), true
	}
	lowest, highest := mark.Algorithm.size()
	return mark.Encoding.decode(make([]byte, highest+2), text, lowest, highest) // base64 writes up to its padding
}

// matches returns 1 if one of the signatures is that of the message under the key, and 0 otherwise.
func (mark Mark) matches(k material, m message, signatures [][]byte) (hit int) {
	switch a := mark.Algorithm; {
	case a == Token:
		want := sha256.Sum256(k.raw) // equal lengths, whatever the secret's
		for _, text := range signatures {
			got := sha256.Sum256(text)
			hit |= subtle.ConstantTimeCompare(want[:], got[:])
		}
	case a.Public():
		for _, signature := range signatures {
			hit |= mark.verify(k.public, m, signature)
		}
	default:
		var buf [maxSum]byte
		sum := a.sum(buf[:], k.raw, m)
		for _, signature := range signatures {
			hit |= subtle.ConstantTimeCompare(sum, signature)
		}
	}
	return hit
}

// verify returns 1 if the signature is valid under a public key, and 0 otherwise. The key's type must fit the mark's
// algorithm.
func (mark Mark) verify(public crypto.PublicKey, m message, signature []byte) int {
	ok := false
	switch key := public.(type) {
	case ed25519.PublicKey:
		ok = mark.Algorithm == Ed25519 && ed25519.Verify(key, m.whole(), signature)
	case *ecdsa.PublicKey:
		sum := m.sha256()
		ok = mark.Algorithm == ECDSAP256 && ecdsa.VerifyASN1(key, sum[:], signature)
	case *rsa.PublicKey:
		sum := m.sha256()
		ok = mark.Algorithm == RSASHA256 && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	if ok {
		return 1
	}
	return 0
}

func (m message) sha256() (sum [sha256.Size]byte) {
	h := sha256.New()
	m.writeTo(h)
	h.Sum(sum[:0])
	return sum
}

// spellings returns the ways in which the sender may have written the URL.
func (s *Scheme) spellings(rawURL string) []string {
	if !s.Ports {
		return []string{rawURL}
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return []string{rawURL}
	}
	_, rest, _ := strings.Cut(rawURL, u.Host)
	if port := u.Port(); port != "" {
		return []string{rawURL, u.Scheme + "://" + strings.TrimSuffix(u.Host, ":"+port) + rest}
	}
	ports := map[string]string{"http": ":80", "https": ":443"}
	return []string{rawURL, u.Scheme + "://" + u.Host + ports[u.Scheme] + rest}
}
