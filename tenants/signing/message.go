package signing

import (
	"net/textproto"
	"strings"
)

// Request is what arrived, as it arrived.
type Request struct {
	Method string
	// URL is the public address that the provider was told to post to: from configuration, never from the request's
	// Host or forwarding headers, which the sender chooses.
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

// message is the bytes under a signature: what stands before the body, the body itself (not copied) and what follows it.
type message struct{ head, body, tail []byte }

// The parts of Scheme.Signed.
const (
	idPart        = "{id}"
	timestampPart = "{timestamp}"
	methodPart    = "{method}"
	urlPart       = "{url}"
	bodyPart      = "{body}"
)

// signs says whether the signature covers the part.
func (s Scheme) signs(part string) bool { return strings.Contains(s.Signed, part) }

// message fills the template in. id and timestamp are the texts as received.
func (s Scheme) message(r Request, id, timestamp string) message {
	before, after, _ := strings.Cut(s.Signed, bodyPart)
	m := message{body: r.Body}
	m.head = fill(before, r, id, timestamp)
	m.tail = fill(after, r, id, timestamp)
	return m
}

func fill(template string, r Request, id, timestamp string) []byte {
	if template == "" {
		return nil
	}
	out := make([]byte, 0, len(template)+len(id)+len(timestamp)+len(r.URL))
	for template != "" {
		literal, rest, found := strings.Cut(template, "{")
		out = append(out, literal...)
		if !found {
			break
		}
		name, rest, _ := strings.Cut(rest, "}")
		switch name {
		case "id":
			out = append(out, id...)
		case "timestamp":
			out = append(out, timestamp...)
		case "method":
			out = append(out, r.Method...)
		case "url":
			out = append(out, r.URL...)
		}
		template = rest
	}
	return out
}

// checkTemplate says what is wrong with a template, or "".
func checkTemplate(template string) string {
	if len(template) > 128 {
		return "is longer than 128 bytes"
	}
	if strings.Count(template, bodyPart) != 1 {
		return "must hold {body} exactly once, or the body would not be covered"
	}
	rest := template
	for _, part := range []string{idPart, timestampPart, methodPart, urlPart, bodyPart} {
		if strings.Count(template, part) > 1 {
			return "holds " + part + " more than once"
		}
		rest = strings.ReplaceAll(rest, part, "")
	}
	if strings.ContainsAny(rest, "{}") {
		return "knows only {id}, {timestamp}, {method}, {url} and {body}"
	}
	if !printable(strings.ReplaceAll(rest, "\n", "")) {
		return "may hold printable ASCII and line feeds only"
	}
	return ""
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
