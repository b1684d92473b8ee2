package signing

import (
	"net/textproto"
	"strings"
)

// Request is a webhook request as received.
type Request struct {
	Method string
	// URL is the public URL that the provider was told to post to, including the request's query. It comes from
	// configuration, never from the Host or forwarding headers, which the sender chooses.
	URL string
	// Header has canonical keys, as in net/http.
	Header map[string][]string
	// Body holds the raw bytes as sent. It is neither modified nor retained.
	Body []byte
}

// values returns every instance of a header.
func (r Request) values(header string) []string {
	if header == "" {
		return nil
	}
	return r.Header[header]
}

// query returns the query of the request's URL, without the question mark.
func (r Request) query() string {
	_, query, _ := strings.Cut(r.URL, "?")
	return query
}

// printable reports whether s is ASCII without control characters.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// headerName returns the canonical spelling of a header name (RFC 9110 section 5.1: a token), or "".
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
