package signing

import (
	"strconv"
	"strings"
)

// Upper bounds of one signature header.
const (
	MaxSignatures = 16   // candidates
	MaxHeader     = 4096 // bytes
)

// candidates are the signatures that a request carries, as text without their prefix, and the timestamp if the
// signature header holds it.
type candidates struct {
	mark      Mark
	text      []string // signatures of mark
	also      []string // signatures of Scheme.Also
	timestamp string
	stamps    int // number of timestamps found
}

// single returns the only value of a header; present is false if the header is absent. A repeated header is refused:
// layers disagree on which instance counts, and gateways join them with a comma.
func (r Request) single(header string) (value string, present bool, err *Error) {
	values := r.values(header)
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	}
	return "", true, fail(SignatureDuplicate, header+" is given more than once")
}

// collect returns the signatures to verify. If the scheme's own mark is present, even empty, only its signatures
// count; legacy marks count only if it is absent and the source opted in. There is one set per mark that the request
// may use.
func (s *Scheme) collect(r Request, allowLegacy bool) (sets []candidates, legacy bool, err *Error) {
	switch {
	case s.Mark.Field != "":
		c, err := s.inBody(r)
		return []candidates{c}, false, err
	case s.Mark.Numbered > 0:
		c, err := s.numbered(r)
		return []candidates{c}, false, err
	}
	value, present, err := r.single(s.Mark.Header)
	if err != nil {
		return nil, false, err
	}
	if present {
		c, err := s.parseHeader(s.Mark, value)
		return []candidates{c}, false, err
	}
	legacyHeader := ""
	for _, mark := range s.Legacy {
		value, present, err := r.single(mark.Header)
		if !present {
			continue
		}
		if !allowLegacy {
			return nil, true, fail(LegacySignature, "the request has only the deprecated header "+mark.Header+
				"; "+s.Mark.Header+" is required")
		}
		if err != nil {
			return nil, true, err
		}
		legacyHeader = mark.Header
		if !strings.HasPrefix(value, mark.Prefix) {
			continue
		}
		c, err := s.parseHeader(mark, value)
		if err != nil {
			return nil, true, err
		}
		sets = append(sets, c)
	}
	switch {
	case len(sets) > 0:
		return sets, true, nil
	case legacyHeader != "":
		return nil, true, fail(SignatureMalformed, legacyHeader+" holds no signature of a known kind")
	}
	return nil, false, fail(SignatureMissing, "the request has no header "+s.Mark.Header)
}

// parseHeader splits the value of a signature header into its candidates.
func (s *Scheme) parseHeader(mark Mark, value string) (c candidates, err *Error) {
	c.mark = mark
	if strings.TrimSpace(value) == "" {
		if mark != s.Mark {
			return c, fail(SignatureMalformed, mark.Header+" holds no signature of a known kind")
		}
		return c, fail(SignatureMissing, mark.Header+" is empty")
	}
	if len(value) > MaxHeader {
		code := SignatureMalformed
		if s.Separator != "" {
			code = TooManySignatures
		}
		return c, fail(code, mark.Header+" is longer than 4096 bytes")
	}
	if mark.Algorithm == Token { // may contain a comma itself
		text, ok := strings.CutPrefix(value, mark.Prefix)
		if c.text = []string{text}; !ok {
			return c, fail(SignatureMalformed, mark.Header+` does not begin with "`+mark.Prefix+`"`)
		}
		return c, nil
	}
	for more := true; more; {
		item := value
		if more = false; s.Separator != "" {
			item, value, more = strings.Cut(value, s.Separator)
		}
		text, ours := strings.CutPrefix(item, mark.Prefix)
		second := false
		if also := s.Also.Mark.Prefix; !ours && also != "" {
			text, second = strings.CutPrefix(item, also)
		}
		if ours || second {
			if strings.Contains(text, ",") { // no encoding contains a comma: a gateway joined two headers
				return c, fail(SignatureDuplicate, mark.Header+" is several headers joined with a comma")
			}
			if len(c.text)+len(c.also) == MaxSignatures {
				return c, fail(TooManySignatures, mark.Header+" holds more than 16 signatures")
			}
			if ours {
				c.text = append(c.text, text)
			} else {
				c.also = append(c.also, text)
			}
		} else if text, ok := strings.CutPrefix(item, s.Timestamp.Prefix); ok && s.Timestamp.Prefix != "" &&
			s.Timestamp.Header == mark.Header {
			c.timestamp = text
			c.stamps++
		}
	}
	if c.stamps > 1 {
		return c, fail(SignatureDuplicate, s.Timestamp.name()+" is given more than once")
	}
	if len(c.text)+len(c.also) == 0 {
		return c, fail(SignatureMalformed, mark.Header+` holds no signature that begins with "`+mark.Prefix+`"`)
	}
	return c, nil
}

// numbered collects one signature from each numbered header.
func (s *Scheme) numbered(r Request) (c candidates, err *Error) {
	c.mark = s.Mark
	for n := 1; n <= s.Mark.Numbered; n++ {
		header := s.Mark.Header + "-" + strconv.Itoa(n)
		value, present, err := r.single(header)
		if err != nil {
			return c, err
		}
		if !present {
			continue
		}
		if strings.Contains(value, ",") {
			return c, fail(SignatureDuplicate, header+" is several headers joined with a comma")
		}
		if text, ok := strings.CutPrefix(value, s.Mark.Prefix); ok && len(value) <= MaxHeader &&
			strings.TrimSpace(text) != "" {
			c.text = append(c.text, text)
		}
	}
	if len(c.text) == 0 {
		return c, fail(SignatureMissing, "the request has no header "+s.Mark.Header+"-1 with a signature")
	}
	return c, nil
}

// inBody collects the signature from a field of the body. If the field occurs in several elements of an array, all of
// them must be equal.
func (s *Scheme) inBody(r Request) (c candidates, err *Error) {
	c.mark = s.Mark
	missing := false
	ok := signedFields(r.Body, s.Mark.Field, func(value string, found bool) bool {
		if !found || value == "" {
			missing = true
			return false
		}
		if len(c.text) == 0 || c.text[0] != value {
			c.text = append(c.text, value)
		}
		return true
	})
	switch {
	case missing:
		return c, fail(SignatureMissing, "the body has no field "+s.Mark.Field)
	case !ok:
		return c, fail(SignatureMissing, "the body must be JSON with exactly one field "+s.Mark.Field)
	case len(c.text) > 1:
		return c, fail(SignatureMismatch, "the elements of the body do not all have the same "+s.Mark.Field)
	}
	return c, nil
}
