package signing

import (
	"hash"
	"hash/crc32"
	"strconv"
	"strings"
)

// The parts of a template of signed bytes; text between them is literal.
const (
	idPart        = "{id}"        // the delivery id, from the header in Scheme.ID
	timestampPart = "{timestamp}" // as received
	methodPart    = "{method}"
	urlPart       = "{url}"
	uriPart       = "{uri}" // the URL with the escapes of a few plain characters decoded
	bodyPart      = "{body}"
	crcPart       = "{crc32}"  // CRC-32 of the body in decimal (IEEE)
	formPart      = "{form}"   // the names and values of a form, sorted, without separators
	secretPart    = "{secret}" // the secret's text
)

// fieldPart returns the part for one field of a JSON body; an absent or null field is empty. {header:Name} is
// likewise a header, which must be present.
func fieldPart(path string) string { return "{json:" + path + "}" }

// Coverage says how much of a body a signature covers.
type Coverage string

// The coverages.
const (
	Whole    Coverage = "body"   // every byte
	Checksum Coverage = "crc32"  // a checksum, which an attacker can preserve while changing the body
	Form     Coverage = "form"   // the names and values of a form
	Fields   Coverage = "fields" // a few fields only
	Nothing  Coverage = "none"   // nothing
)

// Covers returns how much of the body the scheme's signature covers. The rest can be replaced by anyone who has seen
// one request.
func (s Scheme) Covers() Coverage {
	switch {
	case s.signs(bodyPart):
		return Whole
	case s.signs(crcPart):
		return Checksum
	case s.signs(formPart):
		return Form
	case strings.Contains(s.Signed, "{json:"):
		return Fields
	}
	return Nothing
}

// message holds the signed bytes: before the body, the body itself (not copied) and after it.
type message struct{ head, body, tail []byte }

// whole returns the message as one slice.
func (m message) whole() []byte {
	if len(m.body) == 0 && len(m.tail) == 0 {
		return m.head
	}
	out := make([]byte, 0, len(m.head)+len(m.body)+len(m.tail))
	return append(append(append(out, m.head...), m.body...), m.tail...)
}

func (m message) writeTo(h hash.Hash) {
	h.Write(m.head)
	h.Write(m.body)
	h.Write(m.tail)
}

// inputs are the values for the parts of a template. id and timestamp are the texts as received.
type inputs struct {
	Request
	id, timestamp string
	secret        []byte
	digest        string // Scheme.Digest
}

// signs reports whether the signature covers the part.
func (s Scheme) signs(part string) bool { return strings.Contains(s.Signed, part) }

// fillIn returns the signed bytes. The choice among several errors reveals nothing about the secret.
func fillIn(template string, f inputs) (m message, err *Error) {
	before, after, found := strings.Cut(template, bodyPart)
	if found {
		m.body = f.Body
	}
	if m.head, err = fill(before, f); err != nil {
		return m, err
	}
	m.tail, err = fill(after, f)
	return m, err
}

func fill(template string, f inputs) ([]byte, *Error) {
	if template == "" {
		return nil, nil
	}
	out := make([]byte, 0, len(template)+len(f.id)+len(f.timestamp)+len(f.URL))
	for template != "" {
		literal, rest, found := strings.Cut(template, "{")
		out = append(out, literal...)
		if !found {
			break
		}
		name, rest, _ := strings.Cut(rest, "}")
		switch name {
		case "id":
			out = append(out, f.id...)
		case "timestamp":
			out = append(out, f.timestamp...)
		case "method":
			out = append(out, f.Method...)
		case "url":
			out = append(out, f.URL...)
		case "uri":
			out = append(out, plainEscapes(f.URL)...)
		case "crc32":
			out = strconv.AppendUint(out, uint64(crc32.ChecksumIEEE(f.Body)), 10)
		case "secret":
			out = append(out, f.secret...)
		case "form":
			form, err := sortedForm(f.Request, f.digest)
			if err != nil {
				return nil, err
			}
			out = append(out, form...)
		default:
			if header, ok := strings.CutPrefix(name, "header:"); ok {
				text, err := signedHeader(f.Request, header, rest)
				if err != nil {
					return nil, err
				}
				out = append(out, text...)
				break
			}
			text, ok := signedField(f.Body, strings.TrimPrefix(name, "json:"))
			if !ok {
				return nil, fail(BodyNotSigned, "the body must be JSON in which each signed field occurs exactly once")
			}
			out = append(out, text...)
		}
		template = rest
	}
	return out, nil
}

// signedHeader returns a header that a signature covers. It must not contain the literal that separates it from the
// next part: bytes could be moved between the two under the same signature.
func signedHeader(r Request, header, rest string) (string, *Error) {
	text, present, err := r.single(header)
	if err != nil {
		return "", err
	}
	joiner, _, _ := strings.Cut(rest, "{")
	if !present || unusable(text, MaxDeliveryID) != "" || joiner != "" && strings.Contains(text, joiner) {
		return "", fail(SignatureMalformed, "the signature covers the header "+header+", which is absent or not usable")
	}
	return text, nil
}

// plainEscapes decodes the percent-encoding of exactly the characters that HubSpot lists ("Validate the v3 request
// signature").
func plainEscapes(url string) string {
	return strings.NewReplacer("%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'",
		"%28", "(", "%29", ")", "%2A", "*", "%2C", ",", "%3B", ";").Replace(url)
}

// checkTemplate returns what is wrong with a tenant's own template, or "".
func checkTemplate(template string) string {
	if len(template) > 128 {
		return "is longer than 128 bytes"
	}
	if strings.Count(template, bodyPart) != 1 {
		return "must contain {body} exactly once, otherwise the body is not covered"
	}
	rest := template
	for _, part := range []string{idPart, timestampPart, methodPart, urlPart, bodyPart} {
		if strings.Count(template, part) > 1 {
			return "contains " + part + " more than once"
		}
		rest = strings.ReplaceAll(rest, part, "")
	}
	if strings.ContainsAny(rest, "{}") {
		return "must contain no placeholders other than {id}, {timestamp}, {method}, {url} and {body}"
	}
	if !printable(strings.ReplaceAll(rest, "\n", "")) {
		return "must contain only printable ASCII and line feeds"
	}
	return ""
}
