package source

import (
	"net/textproto"
	"strings"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
)

// Template makes the name of a channel from a webhook. It consists of literal text in the grammar of channel names
// and of placeholders in braces:
//
//	{repository.name}    a string or number in the JSON payload, by its member names joined with dots
//	{json:type}          the same, for a member whose name has another meaning in braces
//	{header:X-Shop}      a header that occurs once in the request
//	{type}               the event's type
//	{source}             the source's id
//
// So "github.{repository.name}" gives "github.hello-world". A value is folded to the grammar of one segment: in lower
// case, with "-" for every other character. The dot and the slash are among these, so that a payload cannot add
// segments. A segment is cut at 64 bytes and the name at 200. Folding makes some different values equal: to keep the
// events of two parties apart, use ids and not names that people choose for themselves.
//
// If members of the payload have the same name, the first is used.
type Template struct {
	parts []templatePart
}

type templatePart struct {
	from placeholder
	text string // the literal text, the path of the member or the name of the header
}

type placeholder int

const (
	fromLiteral placeholder = iota
	fromPayload
	fromHeader
	fromType
	fromSource
)

const (
	maxTemplate     = 512
	maxPlaceholders = 8
	maxSegment      = 64
)

// ParseTemplate parses a template, which can be a plain channel name. Not a template: Unprocessable invalid_channel.
func ParseTemplate(s string) (Template, error) {
	var t Template
	if len(s) > maxTemplate {
		return t, badTemplate("the channel must have at most 512 bytes")
	}
	var outline strings.Builder // the shortest name that the template can make
	for filled, rest := 0, s; rest != ""; {
		literal, after, found := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return t, badTemplate(`each "}" must have a "{" before it`)
		}
		if literal != "" {
			t.parts = append(t.parts, templatePart{fromLiteral, literal})
			outline.WriteString(literal)
		}
		if !found {
			break
		}
		inside, tail, closed := strings.Cut(after, "}")
		if !closed || strings.Contains(inside, "{") {
			return t, badTemplate(`each "{" must have a "}" after it`)
		}
		part, err := parsePlaceholder(inside)
		if err != nil {
			return t, err
		}
		if filled++; filled > maxPlaceholders {
			return t, badTemplate("the channel must have at most 8 placeholders")
		}
		t.parts = append(t.parts, part)
		outline.WriteByte('x')
		rest = tail
	}
	if !tenants.ValidChannel(outline.String()) {
		return t,
			badTemplate("outside of placeholders the channel must be segments of 1 to 64 a-z, 0-9, _ and -, joined " +
				"by dots")
	}
	return t, nil
}

func parsePlaceholder(inside string) (templatePart, error) {
	switch inside {
	case "":
		return templatePart{}, badTemplate(`the text between "{" and "}" must not be empty`)
	case "type":
		return templatePart{from: fromType}, nil
	case "source":
		return templatePart{from: fromSource}, nil
	}
	if name, ok := strings.CutPrefix(inside, "header:"); ok {
		if !headerName(name) {
			return templatePart{}, badTemplate("{header:…} must name a header")
		}
		return templatePart{fromHeader, textproto.CanonicalMIMEHeaderKey(name)}, nil
	}
	path := strings.TrimPrefix(inside, "json:")
	for member := range strings.SplitSeq(path, ".") {
		if member == "" || !utf8.ValidString(member) || strings.ContainsFunc(member, control) {
			return templatePart{},
				badTemplate("a placeholder must name payload members joined by dots: {repository.name}")
		}
	}
	return templatePart{fromPayload, path}, nil
}

// control reports whether c is an ASCII control character.
func control(c rune) bool { return c < ' ' || c == 0x7f }

// Fixed reports whether the template is a plain channel name.
func (t Template) Fixed() bool { return len(t.parts) == 1 && t.parts[0].from == fromLiteral }

// TemplateInput holds the parts of a request that templates use.
type TemplateInput struct {
	Header       map[string][]string // with canonical keys
	Body         []byte
	Type, Source string
}

// Channel returns the name that the template makes from r. If a placeholder has no value, missing is that placeholder.
func (t Template) Channel(r TemplateInput) (channel, missing string) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.from == fromLiteral {
			b.WriteString(p.text)
			continue
		}
		value := p.value(r)
		if value == "" {
			return "", p.String()
		}
		b.WriteString(foldSegment(value))
	}
	segments := strings.Split(b.String(), ".")
	for i, s := range segments {
		segments[i] = s[:min(len(s), maxSegment)]
	}
	name := strings.Join(segments, ".")
	return strings.TrimRight(name[:min(len(name), tenants.MaxChannelName)], "."), ""
}

func (p templatePart) value(r TemplateInput) string {
	switch p.from {
	case fromType:
		return r.Type
	case fromSource:
		return r.Source
	case fromHeader:
		if values := r.Header[p.text]; len(values) == 1 {
			return values[0]
		}
		return ""
	default:
		value, _ := signing.Field(r.Body, p.text, 4*maxSegment)
		return value
	}
}

func (p templatePart) String() string {
	switch p.from {
	case fromType:
		return "{type}"
	case fromSource:
		return "{source}"
	case fromHeader:
		return "{header:" + p.text + "}"
	default:
		return "{" + p.text + "}"
	}
}

// foldSegment returns value in the characters of a channel segment, one byte for each character.
func foldSegment(value string) string {
	var b strings.Builder
	for _, c := range value {
		switch {
		case b.Len() == maxSegment:
			return b.String()
		case c >= 'A' && c <= 'Z':
			b.WriteByte(byte(c - 'A' + 'a'))
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '-':
			b.WriteByte(byte(c))
		default:
			b.WriteByte('-')
		}
	}
	return b.String()
}

// headerName reports whether name is a valid header name: a token of RFC 9110 section 5.6.2.
func headerName(name string) bool {
	return name != "" && len(name) <= 128 && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') &&
			!strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

func badTemplate(detail string) *tenants.Error {
	return tenants.Refused("/channel", "invalid_channel", detail)
}
