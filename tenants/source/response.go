package source

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// Response is what a provider is answered once its event is durable, in place of Hookcast's own 202 or 200: some providers take only one
// status, or read the body.
type Response struct {
	Status int    // 200, 201, 202 or 204
	Body   string // at most maxResponseBody characters; none with 204
	Type   string // "json", "text" or "xml"; "" where there is no body
}

// maxResponseBody is how many characters a source's own answer may have.
const maxResponseBody = 1000

// ContentType is the media type that goes with the body.
func (r Response) ContentType() string {
	switch r.Type {
	case "json":
		return "application/json"
	case "xml":
		return "application/xml"
	}
	return "text/plain; charset=utf-8"
}

// check refuses an answer that is none.
func (r Response) check() error {
	switch r.Status {
	case 200, 201, 202:
	case 204:
		if r.Body != "" {
			return tenants.Refused("/response/body", "invalid_response", "a 204 has no body")
		}
	default:
		return tenants.Refused("/response/status", "invalid_response", "the status is 200, 201, 202 or 204")
	}
	switch r.Type {
	case "json", "text", "xml":
	case "":
		if r.Body != "" {
			return tenants.Refused("/response/content_type", "invalid_response", "a body has a content type: json, text or xml")
		}
	default:
		return tenants.Refused("/response/content_type", "invalid_response", "the content type is json, text or xml")
	}
	switch {
	case utf8.RuneCountInString(r.Body) > maxResponseBody:
		return tenants.Refused("/response/body", "invalid_response", "the body has more than 1000 characters")
	case !utf8.ValidString(r.Body) || strings.ContainsFunc(r.Body, invisible):
		return tenants.Refused("/response/body", "invalid_response", "the body holds a control character other than tab and line ends")
	case r.Type == "json" && r.Body != "" && !json.Valid([]byte(r.Body)):
		return tenants.Refused("/response/body", "invalid_response", "the body is not JSON, as its content type says")
	case r.Type == "xml" && r.Body != "" && !wellFormed(r.Body):
		return tenants.Refused("/response/body", "invalid_response", "the body is not well-formed XML, as its content type says")
	}
	return nil
}

func invisible(c rune) bool {
	return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f || c == utf8.RuneError
}

// wellFormed tells whether text is one XML element and what may stand around it. Nothing is resolved: encoding/xml knows no entities but XML's own.
func wellFormed(text string) bool {
	d := xml.NewDecoder(strings.NewReader(text))
	roots, depth := 0, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return roots == 1
		}
		if err != nil {
			return false
		}
		switch token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.Directive:
			return false // a DOCTYPE: nobody needs one, and parsers are attacked with them
		}
	}
}
