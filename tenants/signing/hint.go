package signing

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Hints looks for what usually went wrong on the way, for the tenant who sets a source up: it tries a refused request again
// as it may have been before a proxy or a framework changed it, and names the changes under which the signature is right. It says nothing
// that Verify would not, asked again. Not for whoever sent the request: each hint is one more guess at the same signature.
func (s Scheme) Hints(r Request, secrets []Secret, now time.Time, o Options) []string {
	_, err := s.Verify(r, secrets, now, o)
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		return nil
	}
	switch refusal.Code {
	case SignatureMissing:
		return s.elsewhere(r)
	case LegacySignature:
		return []string{"allow_legacy of the source would let the deprecated signature count"}
	case SignatureMismatch, BodyNotSigned:
	default:
		return nil
	}
	var hints []string
	for _, c := range s.changes(r) {
		_, err := s.Verify(c.request, secrets, now, o)
		late, ok := errors.AsType[*Error](err)
		if err == nil || ok && late.Code == TimestampOutOfRange {
			hints = append(hints, c.hint)
		}
	}
	return hints
}

type change struct {
	hint    string
	request Request
}

// changes gives the request as it may have been sent.
func (s *Scheme) changes(r Request) []change {
	var all []change
	body := func(hint string, b []byte) {
		if !bytes.Equal(b, r.Body) {
			changed := r
			changed.Body = b
			all = append(all, change{hint, changed})
		}
	}
	lines := bytes.ReplaceAll(r.Body, []byte("\r\n"), []byte("\n"))
	body("the body has a line end behind it that was not signed", bytes.TrimRight(r.Body, "\r\n"))
	body("the body lacks the line feed at its end that was signed", append(bytes.Clone(r.Body), '\n'))
	body("the body lacks the CR LF at its end that was signed", append(bytes.Clone(r.Body), '\r', '\n'))
	body("the body has white space around it that was not signed", bytes.TrimSpace(r.Body))
	body("the body's line ends were changed from LF to CR LF", lines)
	body("the body's line ends were changed from CR LF to LF", bytes.ReplaceAll(lines, []byte("\n"), []byte("\r\n")))
	body("the body begins with a byte order mark that was not signed", bytes.TrimPrefix(r.Body, []byte("\ufeff")))
	var compact bytes.Buffer
	if json.Compact(&compact, r.Body) == nil {
		body("the body was signed as JSON without white space, and written anew since", compact.Bytes())
	}
	if !s.signs(urlPart) && !s.signs(uriPart) {
		return all
	}
	for _, c := range []struct{ hint, url string }{
		{"the address was signed without its query", strings.TrimSuffix(r.URL, "?"+r.query())},
		{"the address was signed with a slash at its end", r.URL + "/"},
		{"the address was signed with http in place of https", strings.Replace(r.URL, "https://", "http://", 1)},
		{"the address was signed with https in place of http", strings.Replace(r.URL, "http://", "https://", 1)},
	} {
		if c.url != r.URL {
			changed := r
			changed.URL = c.url
			all = append(all, change{c.hint, changed})
		}
	}
	return all
}

// elsewhere names the schemes whose signature header is there.
func (s *Scheme) elsewhere(r Request) []string {
	var hints []string
	for _, other := range Schemes() {
		header := other.Mark.Header
		if other.Mark.Numbered > 0 {
			header += "-1"
		}
		if other.Name != s.Name && header != s.Mark.Header && header != "" && len(r.values(header)) > 0 {
			hints = append(hints, "there is a "+header+" header, as "+other.Title+" sends it (provider "+other.Name+")")
		}
	}
	return hints
}
