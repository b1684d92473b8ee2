package signing

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
)

// Algorithm is how a signature is computed from a key and bytes.
type Algorithm string

// The algorithms. SHA-1 is here for providers and senders who have nothing better; in HMAC it is not known to be broken.
const (
	HMACSHA256 Algorithm = "hmac-sha256"
	HMACSHA512 Algorithm = "hmac-sha512"
	HMACSHA1   Algorithm = "hmac-sha1"
	Unverified Algorithm = "none" // no signature at all
)

// maxSum is the longest signature of any algorithm, in bytes.
const maxSum = sha512.Size

// size is the length of a signature in bytes; 0 for Unverified and for what does not exist.
func (a Algorithm) size() int {
	switch a {
	case HMACSHA256:
		return sha256.Size
	case HMACSHA512:
		return sha512.Size
	case HMACSHA1:
		return sha1.Size
	}
	return 0
}

// sum computes the MAC of a message into buf and returns it. It must not be called with an empty key or an algorithm
// without a size.
func (a Algorithm) sum(buf, key []byte, m message) []byte {
	var mac hash.Hash
	switch a {
	case HMACSHA512:
		mac = hmac.New(sha512.New, key)
	case HMACSHA1:
		mac = hmac.New(sha1.New, key)
	default:
		mac = hmac.New(sha256.New, key)
	}
	mac.Write(m.head)
	mac.Write(m.body)
	mac.Write(m.tail)
	return mac.Sum(buf[:0])
}

// decode reads text of exactly size bytes into buf. Anything else, white space and missing padding included, is not read.
func (e Encoding) decode(buf []byte, text string, size int) ([]byte, bool) {
	switch e {
	case Hex:
		if len(text) != hex.EncodedLen(size) {
			return nil, false
		}
		_, err := hex.Decode(buf[:size], []byte(text))
		return buf[:size], err == nil
	case Base64:
		if len(text) != base64.StdEncoding.EncodedLen(size) {
			return nil, false
		}
		// The decoder skips CR and LF, which would let one signature be written in many ways: with them in it, a text
		// of the right length decodes to too few bytes.
		n, err := base64.StdEncoding.Strict().Decode(buf, []byte(text))
		return buf[:size], err == nil && n == size
	}
	return nil, false
}

// encode is decode's inverse.
func (e Encoding) encode(sum []byte) string {
	if e == Base64 {
		return base64.StdEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}
