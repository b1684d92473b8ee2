package intake

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// mostExpansion is how many times its own size a body may have once it is decoded. Webhooks compress to a third or a tenth; a bomb to a thousandth.
const mostExpansion = 10

// Encoded tells whether a webhook's body is encoded with gzip (RFC 9110 section 8.4.1.3, x-gzip being the same). header has canonical keys.
// Any other coding, and more than one: UnsupportedMediaType content_encoding.
func Encoded(header map[string][]string) (gzipped bool, err error) {
	n := 0
	for _, value := range header["Content-Encoding"] {
		for coding := range strings.SplitSeq(value, ",") {
			switch strings.ToLower(strings.Trim(coding, " \t")) {
			case "", "identity":
				continue
			case "gzip", "x-gzip":
				gzipped = true
			default:
				n++ // more than one already
			}
			n++
		}
	}
	if n > 1 {
		return false, tenants.Errorf(tenants.UnsupportedMediaType, "content_encoding", "a body comes without a Content-Encoding, or is encoded once with gzip")
	}
	return gzipped, nil
}

// decode returns the wire's bytes decoded, at most most of them and at most ten times as many as there are: TooLarge event_too_large,
// decoded_too_large. What is no whole gzip: Invalid body_undecodable.
func decode(wire []byte, most int) ([]byte, error) {
	undecodable := tenants.Errorf(tenants.Invalid, "body_undecodable", "the body is not whole gzip, as its Content-Encoding says")
	z, err := gzip.NewReader(bytes.NewReader(wire))
	if err != nil {
		return nil, undecodable
	}
	bound := min(most, mostExpansion*len(wire))
	plain, err := io.ReadAll(io.LimitReader(z, int64(bound)+1))
	switch {
	case len(plain) > bound && bound < most:
		return nil, tenants.Errorf(tenants.TooLarge, "decoded_too_large", "decoded, the body has more than ten times the bytes that were sent")
	case len(plain) > bound:
		return nil, tenants.Errorf(tenants.TooLarge, "event_too_large", "decoded, the event has more than the %d bytes that it may have", most)
	case err != nil:
		return nil, undecodable
	}
	return plain, nil
}
