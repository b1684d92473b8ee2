package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// signaturePrefixes begin a signature, not a secret.
const signaturePrefixes = "v1, v1a, v1= v0= h1= t= ts= sha256= sha1= sha512="

// ParseSecret parses a secret in the provider's format. It refuses a text that cannot be one, instead of letting
// every request fail later. For a public-key algorithm the secret is the provider's public key, in the scheme's
// encoding or as PEM. The error is an [*Error] whose detail says what to do and does not repeat the text.
func (s Scheme) ParseSecret(text string) (Secret, error) {
	if s.None() {
		return Secret{}, fail(BadSecret, "the scheme "+s.Name+" takes no secret")
	}
	if err := s.known(); err != nil {
		return Secret{}, err
	}
	key, m, algorithm := s.Key, material{}, s.Mark.Algorithm
	if prefix := s.Also.Key.Prefix; prefix != "" && strings.HasPrefix(text, prefix) {
		key, m.kind, algorithm = s.Also.Key, 1, s.Also.Mark.Algorithm
	}
	if s.Certificate.Header != "" { // the key is the certificate's; the secret is part of the message
		algorithm = Token
	}
	if algorithm.Public() && strings.HasPrefix(text, "-----BEGIN") {
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
			return Secret{}, fail(BadSecret, "the secret must be exactly one public key (BEGIN PUBLIC KEY)")
		}
		text, key = base64.StdEncoding.EncodeToString(block.Bytes), Key{Encoding: Base64, Min: 1, Max: key.Max + 64}
	}
	if reason := key.checkText(text); reason != "" {
		return Secret{}, fail(BadSecret, reason)
	}
	b, reason := key.decode(text)
	if reason != "" {
		return Secret{}, fail(BadSecret, reason)
	}
	if len(b) == 0 || len(b) < key.Min {
		return Secret{}, fail(BadSecret, "the secret is too short: "+key.bounds())
	}
	if len(b) > key.Max {
		return Secret{}, fail(BadSecret, "the secret is too long: "+key.bounds())
	}
	m.raw = b
	if algorithm.Public() {
		if m.public, reason = algorithm.publicKey(b); reason != "" {
			return Secret{}, fail(BadSecret, reason)
		}
	}
	return Secret{func() material { return m }}, nil
}

// publicKey parses a public key: SubjectPublicKeyInfo (RFC 5280 section 4.1), or the 32 raw bytes of Ed25519.
func (a Algorithm) publicKey(b []byte) (crypto.PublicKey, string) {
	if a == Ed25519 && len(b) == ed25519.PublicKeySize {
		return ed25519.PublicKey(b), ""
	}
	public, err := x509.ParsePKIXPublicKey(b)
	if err != nil {
		return nil, "the secret must be the provider's public key"
	}
	switch key := public.(type) {
	case ed25519.PublicKey:
		if a == Ed25519 {
			return key, ""
		}
	case *ecdsa.PublicKey:
		if a == ECDSAP256 && key.Curve == elliptic.P256() {
			return key, ""
		}
	case *rsa.PublicKey:
		if a == RSASHA256 && key.Size() >= 256 && key.Size() <= maxSignature {
			return key, ""
		}
	}
	return nil, "the secret must be a public key for " + string(a) + "; this key has another type or size"
}

// Signer returns a secret that signs with a private key, for callers that act as the provider. text is the text that
// a scheme with certificates signs (see Scheme.Certificate), and ignored otherwise.
func (s Scheme) Signer(text string, private crypto.Signer) (Secret, error) {
	m := material{raw: []byte(text), public: private.Public(), private: private}
	if _, ed := m.public.(ed25519.PublicKey); ed && s.Also.Mark.Algorithm == Ed25519 {
		m.kind = 1
	} else if !s.Mark.Algorithm.Public() {
		return Secret{}, fail(BadSecret, "the scheme "+s.Name+" does not use keys of this type")
	}
	return Secret{func() material { return m }}, nil
}

// checkText returns what is wrong with the text of a secret, before it is decoded, or "".
func (k Key) checkText(text string) string {
	switch {
	case text == "":
		return "the secret is empty"
	case strings.TrimSpace(text) == "":
		return "the secret consists of white space"
	case strings.TrimSpace(text) != text:
		return "the secret begins or ends with white space, which is not part of it"
	case !utf8.ValidString(text):
		return "the secret is not valid UTF-8"
	}
	for _, c := range text {
		if !unicode.IsPrint(c) {
			return "the secret contains an invisible or control character, which is not part of it"
		}
	}
	for _, p := range strings.Fields(signaturePrefixes) {
		if strings.HasPrefix(text, p) {
			return `"` + p + `" begins a signature, not a secret: leave it out`
		}
	}
	for _, p := range strings.Fields(k.Mistaken) {
		if strings.HasPrefix(text, p) {
			return `"` + p + `" begins another credential of this provider, not a webhook's signing secret`
		}
	}
	return ""
}

// decode returns the bytes of the key, or what is wrong with the text.
func (k Key) decode(text string) ([]byte, string) {
	if k.Encoding == Text {
		if text == k.Prefix {
			return nil, "the secret is empty after " + k.Prefix
		}
		return []byte(text), ""
	}
	digits := strings.TrimPrefix(text, k.Prefix)
	if digits == "" {
		return nil, "the secret is empty after " + k.Prefix
	}
	if k.Encoding == Hex {
		b, err := hex.DecodeString(digits)
		if err != nil {
			return nil, "the secret must be hex with an even number of digits"
		}
		return b, ""
	}
	b, err := base64.StdEncoding.Strict().DecodeString(digits)
	switch {
	case err == nil:
		return b, ""
	case len(digits)%4 != 0 && !strings.Contains(digits, "="):
		return nil, "the secret must be base64 with padding; some padding is missing"
	case strings.ContainsAny(digits, "-_"):
		return nil, "the secret must be base64 in the standard alphabet (+ and /, not - and _)"
	}
	return nil, "the secret must be valid base64"
}

func (k Key) bounds() string {
	return strconv.Itoa(k.Min) + " to " + strconv.Itoa(k.Max) + " bytes"
}

// NewSecret returns a secret of 32 random bytes in the scheme's format, for a source whose secret the tenant chooses
// (Key.Ours) and for requests to one's own source. It returns "" for the scheme "none", for schemes with a public
// key, and if random fails.
func (s Scheme) NewSecret(random io.Reader) (text string) {
	var b [32]byte
	if s.None() || s.known() != nil || s.Mark.Algorithm.Public() && s.Certificate.Header == "" {
		return ""
	}
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return ""
	}
	if s.Key.Encoding == Base64 {
		return s.Key.Prefix + base64.StdEncoding.EncodeToString(b[:])
	}
	return s.Key.Prefix + hex.EncodeToString(b[:])
}
