package signing

import (
	"encoding/base64"
	"encoding/hex"
)

// Encoding names the way in which bytes are written as text.
type Encoding string

// The encodings. Decoding is strict: no white space, no missing or trailing bits, base64 with padding.
const (
	Text   Encoding = "text"
	Hex    Encoding = "hex" // upper case is accepted
	Base64 Encoding = "base64"
)

// decode decodes text of lowest to highest bytes into buf, which must have room for two more. Any other text,
// including white space and missing padding, fails.
func (e Encoding) decode(buf []byte, text string, lowest, highest int) ([]byte, bool) {
	switch e {
	case Hex:
		if len(text)%2 != 0 || len(text) < hex.EncodedLen(lowest) || len(text) > hex.EncodedLen(highest) {
			return nil, false
		}
		n, err := hex.Decode(buf, []byte(text))
		return buf[:n], err == nil
	case Base64:
		if len(text)%4 != 0 || len(text) < base64.StdEncoding.EncodedLen(lowest) ||
			len(text) > base64.StdEncoding.EncodedLen(highest) {
			return nil, false
		}
		// The decoder skips CR and LF, which would allow many spellings of one signature. A text that contains them
		// decodes to fewer bytes than its length implies.
		n, err := base64.StdEncoding.Strict().Decode(buf, []byte(text))
		return buf[:n], err == nil && n >= lowest && n <= highest && base64.StdEncoding.EncodedLen(n) == len(text)
	}
	return nil, false
}

// encode is the inverse of decode.
func (e Encoding) encode(sum []byte) string {
	if e == Base64 {
		return base64.StdEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}
