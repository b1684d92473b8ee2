package source

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// Response is a source's own answer to its provider once the event is durable, instead of Hookcast's 202 or 200. Some
// providers accept only one status, or read the body.
type Response struct {
	Status int    // 200, 201, 202 or 204
	Body   string // at most 1,000 characters; empty with 204
	Type   string // "json", "text" or "xml"; "" if there is no body
}

// maxResponseBody is the maximum number of characters of Response.Body.
const maxResponseBody = 1000

// ContentType returns the media type of the body.
func (r Response) ContentType() string {
	switch r.Type {
	case "json":
		return "application/json"
	case "xml":
		return "application/xml"
	}
	return "text/plain; charset=utf-8"
}

// check refuses a response that could not be sent: Unprocessable invalid_response.
func (r Response) check() error {
	refused := func(field, detail string) error {
		return tenants.Refused("/response/"+field, "invalid_response", detail)
	}
	switch {
	case !slices.Contains([]int{200, 201, 202, 204}, r.Status):
		return refused("status", "the status must be 200, 201, 202 or 204")
	case r.Status == 204 && r.Body != "":
		return refused("body", "the body must be empty with status 204")
	case !slices.Contains([]string{"json", "text", "xml", ""}, r.Type), r.Type == "" && r.Body != "":
		return refused("content_type", "the content type must be json, text or xml")
	case utf8.RuneCountInString(r.Body) > maxResponseBody:
		return refused("body", "the body must have at most 1000 characters")
	case !utf8.ValidString(r.Body) || strings.ContainsFunc(r.Body, invisible):
		return refused("body", "the body must be UTF-8 without control characters other than tabs and line ends")
	case r.Type == "json" && r.Body != "" && !json.Valid([]byte(r.Body)):
		return refused("body", "the body must be JSON, as its content type says")
	case r.Type == "xml" && r.Body != "" && !wellFormed(r.Body):
		return refused("body", "the body must be well-formed XML, as its content type says")
	}
	return nil
}

func invisible(c rune) bool {
	return control(c) && c != '\t' && c != '\n' && c != '\r' || c == utf8.RuneError
}

// wellFormed reports whether text is an XML document with one root element and without a DOCTYPE. It resolves nothing:
// encoding/xml knows only XML's predefined entities.
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
			return false // a DOCTYPE can attack the provider's parser
		}
	}
}
