package outgoing

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

const maxHeaders = 20

const maxHeaderName = 64

const maxHeaderValue = 1024

const maxHeaderBytes = 3500 // all of them: what a Vault seals is at most 4 KB

// deniedHeaders cannot be a tenant's to set: they frame the request, belong to the connection (RFC 9110 section 7.6.1), say who
// sends it and by which way, or are what a cloud's metadata service takes for consent.
const deniedHeaders = " accept-encoding connection content-encoding content-length content-type cookie2 date expect forwarded host http2-settings keep-alive" +
	" metadata metadata-flavor origin range te trailer transfer-encoding upgrade user-agent via x-real-ip "

// deniedHeaderPrefixes are reserved as a whole. Webhook- and Hookcast- are what deliveries are signed and described by.
var deniedHeaderPrefixes = [...]string{"webhook-", "hookcast-", "proxy-", "sec-", "x-forwarded-", "x-aws-ec2-metadata-", "x-http-method", "x-google-metadata-"}

// CheckHeaders returns the headers under canonical names, or says which one is not the tenant's to set.
func CheckHeaders(headers map[string]string) (map[string]string, error) {
	if len(headers) > maxHeaders {
		return nil, tenants.Refused("/headers", "invalid_header", "there may be at most 20 headers")
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
			return nil, tenants.Refused(pointer, "invalid_header", "the header is given twice, in two spellings")
		}
		clean[canonical] = value
		total += len(name) + len(value)
	}
	if total > maxHeaderBytes {
		return nil, tenants.Refused("/headers", "invalid_header", "the headers may have 3500 bytes in all")
	}
	return clean, nil
}

// HeaderProblem says why a header cannot be set, or "". Its grammar is RFC 9110's, sections 5.6.2 and 5.5, without obs-text.
func HeaderProblem(name, value string) string {
	if name == "" || len(name) > maxHeaderName {
		return "a header's name has 1 to 64 characters"
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return "the name holds a character that no header's name can have"
		}
	}
	lower := strings.ToLower(name)
	if strings.Contains(deniedHeaders, " "+lower+" ") {
		return "this header is not yours to set"
	}
	for _, p := range deniedHeaderPrefixes {
		if strings.HasPrefix(lower, p) {
			return "headers that begin with " + p + " are not yours to set"
		}
	}
	if len(value) > maxHeaderValue {
		return "a header's value has at most 1024 bytes"
	}
	if strings.TrimSpace(value) != value {
		return "the value begins or ends with a space, which would not arrive"
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c >= 0x7f {
			return "the value holds a character that no header's value can have, such as a line break"
		}
	}
	return ""
}
