package signing

import (
	"hash/crc32"
	"strconv"
	"strings"
)

// The parts of a template of signed bytes; what stands between them is literal.
const (
	idPart        = "{id}"        // the delivery id, in the header of Scheme.ID
	timestampPart = "{timestamp}" // as it was received
	methodPart    = "{method}"
	urlPart       = "{url}"
	uriPart       = "{uri}" // the URL with the escapes of a few plain characters undone
	bodyPart      = "{body}"
	crcPart       = "{crc32}"  // of the body, in decimal (IEEE)
	formPart      = "{form}"   // the names and values of a form, sorted, with nothing in between
	secretPart    = "{secret}" // the secret's text
)

// fieldPart is the text of one field of a JSON body; nothing where it is missing or null. {header:Name} is likewise a header's, which
// must be there.
func fieldPart(path string) string { return "{json:" + path + "}" }

// Coverage is how much of a body a signature covers.
type Coverage string

// What a signature covers.
const (
	Whole    Coverage = "body"   // every byte
	Checksum Coverage = "crc32"  // a checksum, which somebody who has seen one request can keep while changing the body
	Form     Coverage = "form"   // the names and values of a form
	Fields   Coverage = "fields" // a few fields, and nothing else of the body
	Nothing  Coverage = "none"   // none of it
)

// Covers says how much of the body the scheme's signature covers. Of what it does not cover, somebody who has seen one
// request can send any other.
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

// message is the bytes under a signature: what stands before the body, the body itself (not copied) and what follows it.
type message struct{ head, body, tail []byte }

// whole gives the message in one piece.
func (m message) whole() []byte {
	if len(m.body) == 0 && len(m.tail) == 0 {
		return m.head
	}
	out := make([]byte, 0, len(m.head)+len(m.body)+len(m.tail))
	return append(append(append(out, m.head...), m.body...), m.tail...)
}

// facts are what a template is filled from. id and timestamp are the texts as received.
type facts struct {
	Request
	id, timestamp string
	secret        []byte
	digest        string // Scheme.Digest
}

// signs says whether the signature covers the part.
func (s Scheme) signs(part string) bool { return strings.Contains(s.Signed, part) }

// fillIn makes the bytes under a signature. Which of several errors it gives says nothing of the secret.
func fillIn(template string, f facts) (m message, err *Error) {
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

func fill(template string, f facts) ([]byte, *Error) {
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
				return nil, fail(BodyNotSigned, "the body is no JSON in which every field that is signed stands exactly once")
			}
			out = append(out, text...)
		}
		template = rest
	}
	return out, nil
}

// signedHeader reads a header that a signature covers. It may not hold the literal that parts it from what follows: bytes could be
// moved between the two under the same signature.
func signedHeader(r Request, header, rest string) (string, *Error) {
	text, present, err := r.single(header)
	if err != nil {
		return "", err
	}
	joiner, _, _ := strings.Cut(rest, "{")
	if !present || unusable(text, MaxDeliveryID) != "" || joiner != "" && strings.Contains(text, joiner) {
		return "", fail(SignatureMalformed, "the signature covers "+header+", and there is none that can be read")
	}
	return text, nil
}

// plainEscapes undoes the percent-encoding of the characters that HubSpot lists ("Validate the v3 request signature"), and of no
// other.
func plainEscapes(url string) string {
	return strings.NewReplacer("%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'", "%28", "(", "%29", ")",
		"%2A", "*", "%2C", ",", "%3B", ";").Replace(url)
}

// checkTemplate says what is wrong with a template of a tenant's own, or "".
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
