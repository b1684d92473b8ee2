package source

import (
	"net/textproto"
	"strings"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
)

// Template makes a channel's name from a webhook. It is literal text in the grammar of channel names, and in braces what to
// fill in:
//
//	{repository.name}    a string or number of the JSON payload, at member names joined by dots
//	{json:type}          the same, for members whose names would mean something else
//	{header:X-Shop}      a header that the request has once
//	{type}               the event's type
//	{source}             the source's id
//
// So "github.{repository.name}" gives "github.hello-world". What is filled in is folded to the grammar of one segment: lower case,
// with "-" for every other character, the dot and the slash among them, so that a payload cannot add segments. A segment is
// cut at 64 bytes and the name at 200. Folding makes some different values equal: who must not see one another's events
// is to be told apart by ids, not by names that people choose for themselves.
//
// Of payload members with equal names the first counts.
type Template struct {
	parts []templatePart
}

type templatePart struct {
	from placeholder
	text string // the literal, the member's path or the header's name
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

// ParseTemplate reads a template. A channel's name is one, without placeholders. What is none: Unprocessable invalid_channel.
func ParseTemplate(s string) (Template, error) {
	var t Template
	if len(s) > maxTemplate {
		return t, badTemplate("the channel is longer than 512 bytes")
	}
	var outline strings.Builder // the shortest name that the template can make
	for filled, rest := 0, s; rest != ""; {
		literal, after, found := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return t, badTemplate(`there is a "}" without its "{"`)
		}
		if literal != "" {
			t.parts = append(t.parts, templatePart{fromLiteral, literal})
			outline.WriteString(literal)
		}
		if !found {
			break
		}
		inside, behind, closed := strings.Cut(after, "}")
		if !closed || strings.Contains(inside, "{") {
			return t, badTemplate(`there is a "{" without its "}"`)
		}
		part, err := parsePlaceholder(inside)
		if err != nil {
			return t, err
		}
		if filled++; filled > maxPlaceholders {
			return t, badTemplate("there are more than eight placeholders")
		}
		t.parts = append(t.parts, part)
		outline.WriteByte('x')
		rest = behind
	}
	if !tenants.ValidChannel(outline.String()) {
		return t, badTemplate("outside of placeholders a channel is segments of a-z, 0-9, _ and - (1 to 64 each), joined by dots")
	}
	return t, nil
}

func parsePlaceholder(inside string) (templatePart, error) {
	switch inside {
	case "":
		return templatePart{}, badTemplate(`there is nothing between "{" and "}"`)
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
		if member == "" || !utf8.ValidString(member) || strings.ContainsFunc(member, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return templatePart{}, badTemplate("a placeholder names payload members joined by dots: {repository.name}")
		}
	}
	return templatePart{fromPayload, path}, nil
}

// Fixed tells whether the template is one channel's name.
func (t Template) Fixed() bool { return len(t.parts) == 1 && t.parts[0].from == fromLiteral }

// TemplateInput is what a template is filled from.
type TemplateInput struct {
	Header       map[string][]string // with canonical keys
	Body         []byte
	Type, Source string
}

// Channel fills the template in. Where a placeholder has nothing to fill in, missing is that placeholder, as people write it.
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

// foldSegment writes value with the characters of a channel's segment, a byte for each character.
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

// headerName tells whether name is a header's (RFC 9110 section 5.1: a token).
func headerName(name string) bool {
	return name != "" && len(name) <= 128 && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

func badTemplate(detail string) *tenants.Error {
	return tenants.Refused("/channel", "invalid_channel", detail)
}
