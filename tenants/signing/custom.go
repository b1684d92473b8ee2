package signing

import (
	"strings"
	"time"
)

// Custom is a tenant's own terms for the scheme "hmac"; for "none" only the last four. An empty field leaves the
// scheme's own, except Prefix, whose empty value is a value.
type Custom struct {
	Header         string // of the signature; "X-Signature" if empty
	Algorithm      string // "sha256" (default), "sha512" or "sha1"
	Encoding       string // of the signature: "hex" (default) or "base64"
	Prefix         string // what stands before the signature: "sha256="
	SecretEncoding string // how the secret's text gives the key: "text" (default), "hex" or "base64"

	TimestampHeader string // Unix time; signed, or it would prove nothing
	TimestampUnit   string // "s" (default) or "ms"
	// Signed is the template of Scheme.Signed: "{body}", with a timestamp "{timestamp}.{body}", if empty.
	Signed string

	IDHeader, IDField     string // where the delivery id stands; the header first
	TypeHeader, TypeField string // where the event's type stands; the header first
}

// Customize gives the scheme on the tenant's terms. It takes the zero Custom for every scheme; others only where
// the scheme's Custom says so. The error is an [*Error].
func (s Scheme) Customize(c Custom) (Scheme, error) {
	if c == (Custom{}) {
		return s, nil
	}
	if s.Custom == FixedTerms {
		return Scheme{}, terms("the provider has fixed the terms of " + s.Name)
	}
	if err := s.place(c); err != nil {
		return Scheme{}, err
	}
	c.IDHeader, c.IDField, c.TypeHeader, c.TypeField = "", "", "", ""
	if s.Custom == AllTerms {
		if err := s.mark(c); err != nil {
			return Scheme{}, err
		}
		if err := s.cover(c); err != nil {
			return Scheme{}, err
		}
	} else if c != (Custom{}) {
		return Scheme{}, terms("the scheme " + s.Name + " takes only where id and type stand")
	}
	return s, nil
}

func terms(detail string) *Error { return fail(BadTerms, detail) }

// place sets where id and type stand.
func (s *Scheme) place(c Custom) error {
	for _, t := range []struct {
		places        *[2]Place
		header, field string
		what          string
	}{
		{&s.ID, c.IDHeader, c.IDField, "id"},
		{&s.Type, c.TypeHeader, c.TypeField, "type"},
	} {
		if t.header == "" && t.field == "" {
			continue
		}
		places := [2]Place{}
		n := 0
		if t.header != "" {
			name, err := ownHeader(t.what, t.header)
			if err != nil {
				return err
			}
			places[n] = Place{Header: name}
			n++
		}
		if t.field != "" {
			if !fieldPath(t.field) {
				return terms("the " + t.what + ` field must be member names of letters, digits, "_" and "-", joined by "."`)
			}
			places[n] = Place{Field: t.field}
		}
		*t.places = places
	}
	return nil
}

// mark sets the signature's place and form.
func (s *Scheme) mark(c Custom) error {
	if c.Header != "" {
		name, err := ownHeader("signature", c.Header)
		if err != nil {
			return err
		}
		s.Mark.Header = name
	}
	switch c.Algorithm {
	case "", "sha256":
		s.Mark.Algorithm = HMACSHA256
	case "sha512":
		s.Mark.Algorithm = HMACSHA512
	case "sha1":
		s.Mark.Algorithm = HMACSHA1
	default:
		return terms("the algorithm must be sha256, sha512 or sha1")
	}
	switch e := Encoding(c.Encoding); e {
	case "":
	case Hex, Base64:
		s.Mark.Encoding = e
	default:
		return terms("the encoding must be hex or base64")
	}
	switch e := Encoding(c.SecretEncoding); e {
	case "":
	case Text, Hex, Base64:
		s.Key.Encoding = e
	default:
		return terms("the secret's encoding must be text, hex or base64")
	}
	if len(c.Prefix) > 32 || !printable(c.Prefix) || strings.HasPrefix(c.Prefix, " ") {
		return terms("the prefix must be at most 32 printable ASCII characters and not begin with a space")
	}
	s.Mark.Prefix = c.Prefix
	return nil
}

// cover sets the timestamp and the signed bytes. Only after place and mark.
func (s *Scheme) cover(c Custom) error {
	if c.TimestampHeader != "" {
		name, err := ownHeader("timestamp", c.TimestampHeader)
		if err != nil {
			return err
		}
		if name == s.Mark.Header || name == s.ID[0].Header {
			return terms("signature, timestamp and id must stand in different headers")
		}
		s.Timestamp = Timestamp{Header: name, Unit: time.Second, Tolerance: tolerance}
		s.Signed = timestampPart + "." + bodyPart
	}
	switch c.TimestampUnit {
	case "", "s":
	case "ms":
		s.Timestamp.Unit = time.Millisecond
	default:
		return terms("the timestamp's unit must be s or ms")
	}
	if c.TimestampUnit != "" && c.TimestampHeader == "" {
		return terms("there is a timestamp's unit and no timestamp header")
	}
	if c.Signed != "" {
		s.Signed = c.Signed
	}
	if reason := checkTemplate(s.Signed); reason != "" {
		return terms("the signed template " + reason)
	}
	if s.signs(timestampPart) != (s.Timestamp.Header != "") {
		return terms("a timestamp header and {timestamp} in the signed template go together: unsigned it proves nothing")
	}
	if s.signs(idPart) && s.ID[0].Header == "" {
		return terms("{id} in the signed template needs an id header")
	}
	if s.ID[0].Header == s.Mark.Header {
		return terms("signature, timestamp and id must stand in different headers")
	}
	return nil
}

// ownHeader gives the canonical spelling of a header that a sender can choose for itself.
func ownHeader(what, name string) (string, *Error) {
	canonical := headerName(name)
	switch canonical {
	case "":
		return "", terms("the " + what + " header is not a header name: letters, digits and - are")
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Te", "Upgrade", "Keep-Alive":
		return "", terms("the " + what + " header cannot be " + canonical + ", which the transport owns")
	}
	return canonical, nil
}

// fieldPath says whether a text names a JSON field.
func fieldPath(path string) bool {
	if len(path) > 128 {
		return false
	}
	for name := range strings.SplitSeq(path, ".") {
		if name == "" {
			return false
		}
		for i := range len(name) {
			c := name[i]
			alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !alnum && c != '_' && c != '-' {
				return false
			}
		}
	}
	return true
}
