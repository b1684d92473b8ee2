package signing

import (
	"net/textproto"
	"strings"
)

// Request is what arrived, as it arrived.
type Request struct {
	Method string
	// URL is the public address that the provider was told to post to, with the query of the request: from configuration,
	// never from the request's Host or forwarding headers, which the sender chooses.
	URL string
	// Header has net/http's canonical keys.
	Header map[string][]string
	// Body is the raw bytes as the provider sent them. It is read only, and not kept.
	Body []byte
}

// values gives every instance of a header.
func (r Request) values(header string) []string {
	if header == "" {
		return nil
	}
	return r.Header[header]
}

// query gives the query of the request's URL, without its question mark.
func (r Request) query() string {
	_, query, _ := strings.Cut(r.URL, "?")
	return query
}

// printable says whether s is ASCII without control characters.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// headerName gives the canonical spelling of a header's name (RFC 9110 section 5.1: a token), or "".
func headerName(name string) string {
	if name == "" || len(name) > 128 {
		return ""
	}
	for i := range len(name) {
		c := name[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return ""
		}
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}
