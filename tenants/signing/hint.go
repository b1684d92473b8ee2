package signing

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Hints explains a refused request to the tenant that configures the source. It tries the request again as it may
// have been before a proxy or a framework changed it, and returns the changes under which the signature is valid. It
// reveals nothing that further calls of Verify would not. Never show the hints to the sender: each is one more guess
// at the same signature.
func (s Scheme) Hints(r Request, secrets []Secret, now time.Time, o Options) []string {
	_, err := s.Verify(r, secrets, now, o)
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		return nil
	}
	switch refusal.Code {
	case SignatureMissing:
		return s.otherSchemes(r)
	case LegacySignature:
		return []string{"the source's allow_legacy would accept the deprecated signature"}
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

// changes returns variants of the request as it may have been sent.
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
	body("the body ends in a line break that was not signed", bytes.TrimRight(r.Body, "\r\n"))
	body("the body lacks the final LF that was signed", append(bytes.Clone(r.Body), '\n'))
	body("the body lacks the final CR LF that was signed", append(bytes.Clone(r.Body), '\r', '\n'))
	body("the body has white space around it that was not signed", bytes.TrimSpace(r.Body))
	body("the body's line breaks were changed from LF to CR LF", lines)
	body("the body's line breaks were changed from CR LF to LF", bytes.ReplaceAll(lines, []byte("\n"), []byte("\r\n")))
	body("the body begins with a byte order mark that was not signed", bytes.TrimPrefix(r.Body, []byte("\ufeff")))
	var compact bytes.Buffer
	if json.Compact(&compact, r.Body) == nil {
		body("the body was signed as compact JSON and has been reformatted since", compact.Bytes())
	}
	if !s.signs(urlPart) && !s.signs(uriPart) {
		return all
	}
	for _, c := range []struct{ hint, url string }{
		{"the URL was signed without its query", strings.TrimSuffix(r.URL, "?"+r.query())},
		{"the URL was signed with a slash at its end", r.URL + "/"},
		{"the URL was signed with http instead of https", strings.Replace(r.URL, "https://", "http://", 1)},
		{"the URL was signed with https instead of http", strings.Replace(r.URL, "http://", "https://", 1)},
	} {
		if c.url != r.URL {
			changed := r
			changed.URL = c.url
			all = append(all, change{c.hint, changed})
		}
	}
	return all
}

// otherSchemes names the schemes whose signature header is present.
func (s *Scheme) otherSchemes(r Request) []string {
	var hints []string
	for _, other := range Schemes() {
		header := other.Mark.Header
		if other.Mark.Numbered > 0 {
			header += "-1"
		}
		if other.Name != s.Name && header != s.Mark.Header && header != "" && len(r.values(header)) > 0 {
			hints = append(hints, "the request has a header "+header+", which "+other.Title+" sends (provider "+
				other.Name+")")
		}
	}
	return hints
}
