package signing

import (
	"encoding/base64"
	"encoding/hex"
)

// Encoding is how bytes are written as text.
type Encoding string

// The encodings. Decoding is strict: no white space, no missing or trailing bits, base64 with its padding.
const (
	Text   Encoding = "text"
	Hex    Encoding = "hex" // upper case is accepted
	Base64 Encoding = "base64"
)

// decode reads text of least to most bytes into buf, which has room for two more. Anything else, white space and missing
// padding included, is not read.
func (e Encoding) decode(buf []byte, text string, least, most int) ([]byte, bool) {
	switch e {
	case Hex:
		if len(text)%2 != 0 || len(text) < hex.EncodedLen(least) || len(text) > hex.EncodedLen(most) {
			return nil, false
		}
		n, err := hex.Decode(buf, []byte(text))
		return buf[:n], err == nil
	case Base64:
		if len(text)%4 != 0 || len(text) < base64.StdEncoding.EncodedLen(least) || len(text) > base64.StdEncoding.EncodedLen(most) {
			return nil, false
		}
		// The decoder skips CR and LF, which would let one signature be written in many ways: with them in it, a text
		// decodes to fewer bytes than one of its length does.
		n, err := base64.StdEncoding.Strict().Decode(buf, []byte(text))
		return buf[:n], err == nil && n >= least && n <= most && base64.StdEncoding.EncodedLen(n) == len(text)
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
