package signing

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// Algorithm names the way in which a signature is computed from a key and a message.
type Algorithm string

// The algorithms. SHA-1 is supported for providers and senders that offer nothing better; HMAC-SHA-1 is not known to
// be broken.
const (
	HMACSHA256 Algorithm = "hmac-sha256"
	HMACSHA512 Algorithm = "hmac-sha512"
	HMACSHA1   Algorithm = "hmac-sha1"
	// PlainSHA256 is a hash over bytes that include the secret. It is open to length extension: anyone who has seen
	// one signature can append to the message and compute the next. For legacy marks only.
	PlainSHA256 Algorithm = "sha256"
	Ed25519     Algorithm = "ed25519"
	ECDSAP256   Algorithm = "ecdsa-p256-sha256" // over SHA-256, in ASN.1 DER
	RSASHA256   Algorithm = "rsa-sha256"        // PKCS #1 v1.5
	Token       Algorithm = "token"             // the secret itself: it authenticates the sender but not the content
	Unverified  Algorithm = "none"              // no signature
)

// Upper bounds in bytes.
const (
	maxSum       = sha512.Size // of a MAC
	maxSignature = 512         // of a signature: RSA with 4096 bits
)

// size returns the bounds of a signature's length in bytes, 0 and 0 for an algorithm without byte signatures.
func (a Algorithm) size() (lowest, highest int) {
	switch a {
	case HMACSHA256, PlainSHA256:
		return sha256.Size, sha256.Size
	case HMACSHA512:
		return sha512.Size, sha512.Size
	case HMACSHA1:
		return sha1.Size, sha1.Size
	case Ed25519:
		return ed25519.SignatureSize, ed25519.SignatureSize
	case ECDSAP256:
		return 8, 72
	case RSASHA256:
		return 256, maxSignature
	}
	return 0, 0
}

// known reports whether the algorithm can verify anything.
func (a Algorithm) known() bool {
	_, most := a.size()
	return most > 0 || a == Token
}

// Public reports whether the receiver's key is a public key, which verifies but cannot sign.
func (a Algorithm) Public() bool { return a == Ed25519 || a == ECDSAP256 || a == RSASHA256 }

// keyed reports whether the algorithm is an HMAC.
func (a Algorithm) keyed() bool { return a == HMACSHA256 || a == HMACSHA512 || a == HMACSHA1 }

// sum appends the MAC of a message to buf[:0] and returns it. It is defined for an HMAC with a non-empty key, and for
// PlainSHA256, whose message already contains the key.
func (a Algorithm) sum(buf, key []byte, m message) []byte {
	var mac hash.Hash
	switch a {
	case HMACSHA512:
		mac = hmac.New(sha512.New, key)
	case HMACSHA1:
		mac = hmac.New(sha1.New, key)
	case PlainSHA256:
		mac = sha256.New()
	default:
		mac = hmac.New(sha256.New, key)
	}
	m.writeTo(mac)
	return mac.Sum(buf[:0])
}
