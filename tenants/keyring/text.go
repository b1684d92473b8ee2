package keyring

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// SameText reports whether a and b are equal, in a time that depends on their lengths only.
func SameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Base62 is the alphabet of RandomText.
const Base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// RandomText returns n random characters of base 62, all equally likely.
func RandomText(n int) string {
	out := make([]byte, 0, n)
	var b [64]byte
	for {
		rand.Read(b[:])
		for _, c := range b {
			if c >= 248 { // 4 × 62: the rest of a byte would favour some characters
				continue
			}
			if out = append(out, Base62[c%62]); len(out) == n {
				return string(out)
			}
		}
	}
}

// HashText returns the SHA-256 of a secret text in hex: the key under which its row is found. The text must have at
// least 128 random bits, so that the plain hash reveals nothing, and neither does the time that a look-up takes.
func HashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
