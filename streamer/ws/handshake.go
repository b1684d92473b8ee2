package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"strings"
)

// Version is the protocol's version in Sec-WebSocket-Version.
const Version = "13"

// Accept returns the answer to a client's Sec-WebSocket-Key (RFC 6455 section 4.2.2).
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ValidKey reports whether s is a Sec-WebSocket-Key: 16 bytes in base64.
func ValidKey(s string) bool {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == 16 && !strings.ContainsAny(s, "\r\n")
}

// Lists reports whether a header's lines, which are lists of tokens, contain the token in any case.
func Lists(lines [][]byte, token string) bool {
	for _, line := range lines {
		for t := range strings.SplitSeq(string(line), ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}
