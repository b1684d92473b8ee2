package signing

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// Algorithm is how a signature is computed from a key and bytes.
type Algorithm string

// The algorithms. SHA-1 is here for providers and senders who have nothing better; in HMAC it is not known to be broken.
const (
	HMACSHA256 Algorithm = "hmac-sha256"
	HMACSHA512 Algorithm = "hmac-sha512"
	HMACSHA1   Algorithm = "hmac-sha1"
	// PlainSHA256 is a hash of bytes that hold the secret: who has seen one can lengthen the bytes and hash on. For legacy
	// marks only.
	PlainSHA256 Algorithm = "sha256"
	Ed25519     Algorithm = "ed25519"
	ECDSAP256   Algorithm = "ecdsa-p256-sha256" // over SHA-256, in ASN.1 DER
	RSASHA256   Algorithm = "rsa-sha256"        // PKCS #1 v1.5
	Token       Algorithm = "token"             // the secret itself: it proves who sent, and nothing of what was sent
	Unverified  Algorithm = "none"              // no signature at all
)

// maxSum is the longest MAC of any algorithm, in bytes; maxSignature the longest signature (RSA with 4096 bits).
const (
	maxSum       = sha512.Size
	maxSignature = 512
)

// size is the length of a signature in bytes, as bounds; 0 for what is no signature of bytes.
func (a Algorithm) size() (least, most int) {
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

// known says whether the algorithm can verify anything.
func (a Algorithm) known() bool {
	_, most := a.size()
	return most > 0 || a == Token
}

// Public says whether the receiver's key is a public one: it can verify and cannot sign.
func (a Algorithm) Public() bool { return a == Ed25519 || a == ECDSAP256 || a == RSASHA256 }

// keyed says whether the algorithm is an HMAC.
func (a Algorithm) keyed() bool { return a == HMACSHA256 || a == HMACSHA512 || a == HMACSHA1 }

// sum computes the MAC of a message into buf and returns it. Only for an HMAC under a key that is not empty, and for PlainSHA256,
// whose message has the key in it.
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
	mac.Write(m.head)
	mac.Write(m.body)
	mac.Write(m.tail)
	return mac.Sum(buf[:0])
}
