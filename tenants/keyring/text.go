package keyring

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

func SameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

const Base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// RandomText gives n characters of base 62, each as likely as any.
func RandomText(n int) string {
	out := make([]byte, 0, n)
	var b [64]byte
	for {
		rand.Read(b[:])
		for _, c := range b {
			if c >= 248 { // 4 × 62
				continue
			}
			if out = append(out, Base62[c%62]); len(out) == n {
				return string(out)
			}
		}
	}
}

// HashText is the name under which a secret text is looked up. The text has 128 random bits at least, so a plain hash tells
// nothing about it, and how long a look-up by hash takes tells nothing about other texts.
func HashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
