package streamer

import (
	"bytes"

	"github.com/hookcast/hookcast/tenants"
	"github.com/valyala/fasthttp"
)

// checkFraming refuses requests that fasthttp v1.74 accepts and that two servers in a row could read in two ways (RFC
// 9112 sections 2.2, 5.1, 5.2, 6.1 and 11.2): a header line that ends in LF alone, a folded line, a name that is not
// a token, Content-Length together with Transfer-Encoding, an HTTP version other than 1.0 and 1.1. The caller must
// close the connection after an error. The error quotes nothing: a malformed header is often a credential.
func checkFraming(h *fasthttp.RequestHeader) error {
	if p := string(h.Protocol()); p != "HTTP/1.1" && p != "HTTP/1.0" {
		return malformed("http_version", "the HTTP version must be 1.0 or 1.1")
	}
	var lengths, encodings int
	for rest := h.RawHeaders(); len(rest) > 0; {
		line, after, found := bytes.Cut(rest, []byte("\r\n"))
		rest = after
		switch {
		case len(line) == 0 && found:
			continue // the blank line at the end
		case !found || bytes.IndexByte(line, '\n') >= 0:
			return malformed("bare_lf", "a header line must end in CR LF, and one ends in LF alone")
		case line[0] == ' ' || line[0] == '\t':
			return malformed("folded_header", "a header must not continue on a second line")
		}
		name, _, found := bytes.Cut(line, []byte(":"))
		if !found || !isToken(name) {
			return malformed("header_name", "a header's name must be a token")
		}
		if bytes.EqualFold(name, []byte("Content-Length")) {
			lengths++
		} else if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			encodings++
		}
	}
	if encodings > 0 && lengths > 0 || lengths > 1 || encodings > 1 {
		return malformed("ambiguous_length",
			"the request must state its body's length once, by Content-Length or Transfer-Encoding")
	}
	return nil
}

func malformed(code, detail string) error {
	return &tenants.Error{Kind: tenants.Invalid, Code: code, Detail: detail}
}

// isToken reports whether b is a token (RFC 9110 section 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0:
		default:
			return false
		}
	}
	return len(b) > 0
}
