package intake

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// maxExpansion is how many times its own size a body may have once it is decoded. Webhooks compress to a third or a
// tenth, a gzip bomb to a thousandth.
const maxExpansion = 10

// Gzipped reports whether a webhook's body is encoded with gzip or its alias x-gzip (RFC 9110 section 8.4.1.3).
// header has canonical keys. Another coding, or more than one, is refused: UnsupportedMediaType content_encoding.
func Gzipped(header map[string][]string) (gzipped bool, err error) {
	n := 0
	for _, value := range header["Content-Encoding"] {
		for coding := range strings.SplitSeq(value, ",") {
			switch strings.ToLower(strings.Trim(coding, " \t")) {
			case "", "identity":
			case "gzip", "x-gzip":
				gzipped = true
				n++
			default:
				n += 2 // refused, even alone
			}
		}
	}
	if n > 1 {
		return false, tenants.Errorf(tenants.UnsupportedMediaType, "content_encoding",
			"the body must have no Content-Encoding, or be encoded once with gzip")
	}
	return gzipped, nil
}

// decode decodes a gzip body of at most most bytes and at most ten times its encoded size; a larger one is TooLarge
// event_too_large or decoded_too_large. A body that is not complete gzip data is Invalid body_undecodable.
func decode(encoded []byte, most int) ([]byte, error) {
	undecodable := tenants.Errorf(tenants.Invalid, "body_undecodable",
		"the body must be complete gzip data, as its Content-Encoding says")
	z, err := gzip.NewReader(bytes.NewReader(encoded))
	if err != nil {
		return nil, undecodable
	}
	bound := min(most, maxExpansion*len(encoded))
	plain, err := io.ReadAll(io.LimitReader(z, int64(bound)+1))
	switch {
	case len(plain) > bound && bound < most:
		return nil, tenants.Errorf(tenants.TooLarge, "decoded_too_large",
			"the decoded body must have at most ten times the bytes that were sent")
	case len(plain) > bound:
		return nil, tenants.Errorf(tenants.TooLarge, "event_too_large", "the decoded body must have at most %d bytes",
			most)
	case err != nil:
		return nil, undecodable
	}
	return plain, nil
}
