package outgoing

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

const (
	maxHeaders     = 20
	maxHeaderName  = 64   // bytes
	maxHeaderValue = 1024 // bytes
	maxHeaderBytes = 3500 // of all names and values: a Vault seals at most 4 KB
)

// deniedHeaders must not be set by a tenant: they frame the request, belong to the connection (RFC 9110 section
// 7.6.1), name its sender or route, or count as consent for a cloud's metadata service.
const deniedHeaders = " accept-encoding connection content-encoding content-length content-type cookie2 date expect" +
	" forwarded host http2-settings keep-alive metadata metadata-flavor origin range te trailer transfer-encoding" +
	" upgrade user-agent via x-real-ip "

// deniedHeaderPrefixes are reserved, with every header that begins so. Webhook- and Hookcast- sign and describe
// deliveries.
var deniedHeaderPrefixes = [...]string{"webhook-", "hookcast-", "proxy-", "sec-", "x-forwarded-", "x-aws-ec2-metadata-",
	"x-http-method", "x-google-metadata-"}

// CheckHeaders returns the headers under canonical names. Headers that a tenant must not set: Unprocessable
// invalid_header, at /headers or /headers/{name}.
func CheckHeaders(headers map[string]string) (map[string]string, error) {
	if len(headers) > maxHeaders {
		return nil, tenants.Refused("/headers", "invalid_header", "the headers must be at most 20")
	}
	total := 0
	clean := make(map[string]string, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		pointer, value := "/headers/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), headers[name]
		if why := HeaderProblem(name, value); why != "" {
			return nil, tenants.Refused(pointer, "invalid_header", why)
		}
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if _, twice := clean[canonical]; twice {
			return nil, tenants.Refused(pointer, "invalid_header",
				"the header must occur once; another name differs only in case")
		}
		clean[canonical] = value
		total += len(name) + len(value)
	}
	if total > maxHeaderBytes {
		return nil, tenants.Refused("/headers", "invalid_header",
			"the names and values of all headers must be at most 3500 bytes together")
	}
	return clean, nil
}

// HeaderProblem returns why a tenant must not set the header, as an error detail, or "". Names and values follow the
// grammar of RFC 9110 sections 5.6.2 and 5.5, without obs-text.
func HeaderProblem(name, value string) string {
	if name == "" || len(name) > maxHeaderName {
		return "the header's name must have 1 to 64 characters"
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return "the header's name must hold only letters, digits and !#$%&'*+-.^_`|~"
		}
	}
	lower := strings.ToLower(name)
	if strings.Contains(deniedHeaders, " "+lower+" ") {
		return "the header is reserved and must be left out"
	}
	for _, p := range deniedHeaderPrefixes {
		if strings.HasPrefix(lower, p) {
			return "headers that begin with " + p + " are reserved and must be left out"
		}
	}
	if len(value) > maxHeaderValue {
		return "the header's value must have at most 1024 bytes"
	}
	if strings.TrimSpace(value) != value {
		return "the header's value must not begin or end with a space, which would not arrive"
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c >= 0x7f {
			return "the header's value must hold only printable ASCII characters and spaces"
		}
	}
	return ""
}
