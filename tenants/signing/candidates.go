package signing

import "strings"

// Bounds of one signature header.
const (
	MaxSignatures = 16   // candidates
	MaxHeader     = 4096 // bytes
)

// candidates are the signatures that a request offers, as text after the prefix, and the timestamp where it stands
// among them.
type candidates struct {
	text      [MaxSignatures]string
	n         int
	timestamp string
	stamps    int // how many timestamps there were
}

// single gives the one value of a header; present is false where there is none. Two instances are refused: what one
// layer takes first another takes last, and a gateway joins them by a comma.
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

// pick chooses the mark that the request is judged by: the scheme's own wherever its header is present, be it empty; a
// legacy one only where that is absent and the source opted in.
func (s Scheme) pick(r Request, allowLegacy bool) (mark Mark, value string, legacy bool, err *Error) {
	value, present, err := r.single(s.Mark.Header)
	if err != nil || present {
		return s.Mark, value, false, err
	}
	for _, mark := range s.Legacy {
		value, present, err := r.single(mark.Header)
		if !present {
			continue
		}
		if !allowLegacy {
			return mark, "", true, fail(LegacySignature,
				"only the deprecated "+mark.Header+" is there; "+s.Mark.Header+" is required")
		}
		if err != nil || strings.HasPrefix(value, mark.Prefix) {
			return mark, value, true, err
		}
	}
	for _, mark := range s.Legacy {
		if len(r.values(mark.Header)) > 0 {
			return mark, "", true, fail(SignatureMalformed, mark.Header+" holds no signature of a known kind")
		}
	}
	return s.Mark, "", false, fail(SignatureMissing, "there is no "+s.Mark.Header+" header")
}

// collect takes the header apart.
func (s Scheme) collect(mark Mark, value string) (c candidates, err *Error) {
	if strings.TrimSpace(value) == "" {
		return c, fail(SignatureMissing, mark.Header+" is empty")
	}
	if len(value) > MaxHeader {
		if s.Separator != "" {
			return c, fail(TooManySignatures, mark.Header+" is longer than 4096 bytes")
		}
		return c, fail(SignatureMalformed, mark.Header+" is longer than 4096 bytes")
	}
	stamp := ""
	if s.Timestamp.Header == mark.Header {
		stamp = s.Timestamp.Prefix
	}
	for more := true; more; {
		item := value
		if more = false; s.Separator != "" {
			item, value, more = strings.Cut(value, s.Separator)
		}
		if text, ok := strings.CutPrefix(item, mark.Prefix); ok {
			if strings.Contains(text, ",") { // in no encoding: two headers that a gateway joined
				return c, fail(SignatureDuplicate, mark.Header+" is several headers joined by a comma")
			}
			if c.n == MaxSignatures {
				return c, fail(TooManySignatures, mark.Header+" holds more than 16 signatures")
			}
			c.text[c.n] = text
			c.n++
		} else if text, ok := strings.CutPrefix(item, stamp); ok && stamp != "" {
			c.timestamp = text
			c.stamps++
		}
	}
	if c.stamps > 1 {
		return c, fail(SignatureDuplicate, s.Timestamp.name()+" is given more than once")
	}
	if c.n == 0 {
		return c, fail(SignatureMalformed, mark.Header+` holds no signature that begins with "`+mark.Prefix+`"`)
	}
	return c, nil
}
