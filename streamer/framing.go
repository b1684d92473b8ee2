package streamer

import (
	"bytes"

	"github.com/hookcast/hookcast/tenants"
	"github.com/valyala/fasthttp"
)

// checkFraming refuses what fasthttp v1.74 lets through and two servers in a row could read in two ways (RFC 9112 sections 2.2, 5.1, 5.2,
// 6.1 and 11.2): a header line that ends in LF alone, a folded line, a name that is no token, Content-Length beside
// Transfer-Encoding, an HTTP version that is not 1.0 or 1.1. The caller must close the connection after any of them. No part of the
// request is in the error: a malformed header is often a credential.
func checkFraming(h *fasthttp.RequestHeader) error {
	if p := string(h.Protocol()); p != "HTTP/1.1" && p != "HTTP/1.0" {
		return malformed("http_version", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
	}
	var lengths, encodings int
	for rest := h.RawHeaders(); len(rest) > 0; {
		line, after, found := bytes.Cut(rest, []byte("\r\n"))
		rest = after
		switch {
		case len(line) == 0 && found:
			continue // the blank line at the end
		case !found || bytes.IndexByte(line, '\n') >= 0:
			return malformed("bare_lf", "A header line ends in LF without CR.")
		case line[0] == ' ' || line[0] == '\t':
			return malformed("folded_header", "A header goes on in a second line.")
		}
		name, _, found := bytes.Cut(line, []byte(":"))
		if !found || !isToken(name) {
			return malformed("header_name", "A header's name is no token.")
		}
		if bytes.EqualFold(name, []byte("Content-Length")) {
			lengths++
		} else if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			encodings++
		}
	}
	if encodings > 0 && lengths > 0 || lengths > 1 || encodings > 1 {
		return malformed("ambiguous_length", "The request says in two ways how long its body is.")
	}
	return nil
}

func malformed(code, detail string) error {
	return &tenants.Error{Kind: tenants.Invalid, Code: code, Detail: detail}
}

// isToken tells whether b is a token (RFC 9110 section 5.6.2).
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
