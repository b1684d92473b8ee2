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

// match compares every signature that can be read with what each secret makes of the message, in constant time and to the
// end whatever matched before. It gives the index of the secret. A signature that cannot be read is passed over while there is another.
func (s *Scheme) match(c candidates, secrets []Secret, template string, f facts, certificate *x509.Certificate) (int, *Error) {
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
		return -1, fail(SignatureMalformed, c.mark.Header+c.mark.Field+" holds no whole "+string(c.mark.Encoding)+" "+string(c.mark.Algorithm))
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
			found = subtle.ConstantTimeSelect(kind.mark.made(k, m, kind.readable), i, found)
		}
	}
	if found < 0 {
		return -1, fail(SignatureMismatch, "the signature is not of these bytes under any secret of the source")
	}
	return found, nil
}

// read takes a signature's text for its bytes.
func (mark Mark) read(text string) ([]byte, bool) {
	if mark.Algorithm == Token {
		return []byte(text), true
	}
	least, most := mark.Algorithm.size()
	return mark.Encoding.decode(make([]byte, most+2), text, least, most) // +2: base64 writes up to its padding's places
}

// made says 1 where one of the signatures is the key's of the message, and 0 otherwise.
func (mark Mark) made(k material, m message, signatures [][]byte) (hit int) {
	switch a := mark.Algorithm; {
	case a == Token:
		want := sha256.Sum256(k.raw) // of one length, whatever the secret's
		for _, text := range signatures {
			got := sha256.Sum256(text)
			hit |= subtle.ConstantTimeCompare(want[:], got[:])
		}
	case a.Public():
		for _, signature := range signatures {
			hit |= mark.proves(k.public, m, signature)
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

// proves checks a signature under a public key. A key of another kind than the mark's proves nothing.
func (mark Mark) proves(public crypto.PublicKey, m message, signature []byte) int {
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
	h.Write(m.head)
	h.Write(m.body)
	h.Write(m.tail)
	h.Sum(sum[:0])
	return sum
}

// spellings gives the ways in which the sender may have written the address.
func (s *Scheme) spellings(address string) []string {
	if !s.Ports {
		return []string{address}
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return []string{address}
	}
	_, rest, _ := strings.Cut(address, u.Host)
	if port := u.Port(); port != "" {
		return []string{address, u.Scheme + "://" + strings.TrimSuffix(u.Host, ":"+port) + rest}
	}
	ports := map[string]string{"http": ":80", "https": ":443"}
	return []string{address, u.Scheme + "://" + u.Host + ports[u.Scheme] + rest}
}
