package eventstream

import (
	"strings"
	"unicode/utf8"
)

// decoded decodes b as https://encoding.spec.whatwg.org/#utf-8-decoder does: U+FFFD replaces each longest incomplete
// sequence, and each byte that cannot begin a character.
func decoded(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = broken(b)
		}
		s.WriteRune(r)
		b = b[n:]
	}
	return s.String()
}

// broken returns the length of the incomplete sequence at the start of b.
func broken(b []byte) int {
	more, low, high := 0, byte(0x80), byte(0xbf) // bytes to follow, and the range of the first of them
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		more = 1
	case c >= 0xe0 && c <= 0xef:
		more = 2
		if c == 0xe0 {
			low = 0xa0
		} else if c == 0xed {
			high = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		more = 3
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	}
	n := 1
	for n <= more && n < len(b) && b[n] >= low && b[n] <= high {
		n, low, high = n+1, 0x80, 0xbf
	}
	return n
}
