package signing

import "strings"

// Custom holds a tenant's own terms for the scheme "hmac"; the scheme "none" takes only the last four fields. An
// empty field keeps the scheme's default, except Prefix, where empty means no prefix.
type Custom struct {
	Header string // of the signature; default "X-Signature"
	// Algorithm is "sha256" (default), "sha512" or "sha1", all HMACs; "ed25519", "ecdsa-p256" or "rsa-sha256", whose
	// secret is the sender's public key; or "token", which sends the secret itself.
	Algorithm      string
	Encoding       string // of the signature: "hex" (default) or "base64"; empty with a token
	Prefix         string // text before the signature: "sha256="
	Separator      string // text between several signatures in the header: ","
	SecretEncoding string // of the key: "text" (default), "hex" or "base64" (default for public keys)

	TimestampHeader string
	TimestampPrefix string // instead of a header: prefix of the timestamp within the signature header: "t="
	TimestampField  string // instead of a header: a field of a JSON body
	TimestampUnit   string // "s" (Unix time, default), "ms" or "rfc3339"
	// Signed is a template as in [Scheme.Signed]; default "{body}", or "{timestamp}.{body}" with a timestamp header.
	// A timestamp must be signed, otherwise it proves nothing.
	Signed string

	IDHeader, IDField     string // places of the delivery id; the header wins
	TypeHeader, TypeField string // places of the event type; the header wins
}

// Customize returns the scheme with the tenant's terms applied. Every scheme accepts the zero Custom; other values
// need a scheme whose Custom field allows them. The error is an [*Error].
func (s Scheme) Customize(c Custom) (Scheme, error) {
	if c == (Custom{}) {
		return s, nil
	}
	if s.Custom == FixedTerms {
		return Scheme{}, badTerms("the provider " + s.Name + " does not allow custom terms")
	}
	if err := s.setPlaces(c); err != nil {
		return Scheme{}, err
	}
	c.IDHeader, c.IDField, c.TypeHeader, c.TypeField = "", "", "", ""
	if s.Custom == AllTerms {
		if err := s.setMark(c); err != nil {
			return Scheme{}, err
		}
		if err := s.setSigned(c); err != nil {
			return Scheme{}, err
		}
	} else if c != (Custom{}) {
		return Scheme{}, badTerms("the scheme " + s.Name + " allows custom terms for the id and the type only")
	}
	return s, nil
}

func badTerms(detail string) *Error { return fail(BadTerms, detail) }

// setPlaces sets the places of the id and the type.
func (s *Scheme) setPlaces(c Custom) error {
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
				return badTerms("the " + t.what + fieldTerms)
			}
			places[n] = Place{Field: t.field}
		}
		*t.places = places
	}
	return nil
}

// setMark sets the signature's header, prefix and separator.
func (s *Scheme) setMark(c Custom) error {
	if c.Header != "" {
		name, err := ownHeader("signature", c.Header)
		if err != nil {
			return err
		}
		s.Mark.Header = name
	}
	if err := s.setAlgorithm(c); err != nil {
		return err
	}
	for _, t := range []struct{ what, text string }{{"prefix", c.Prefix}, {"timestamp prefix", c.TimestampPrefix}} {
		if len(t.text) > 32 || !printable(t.text) || strings.HasPrefix(t.text, " ") {
			return badTerms("the " + t.what +
				" must be at most 32 printable ASCII characters and not begin with a space")
		}
	}
	s.Mark.Prefix = c.Prefix
	if len(c.Separator) > 4 || !printable(c.Separator) || strings.ContainsAny(c.Separator, "+/=") ||
		plain(c.Separator, 4, "") {
		return badTerms("the separator must be at most 4 printable ASCII characters that cannot occur in a signature")
	}
	if c.Separator != "" && c.Prefix == "" {
		return badTerms("a separator needs a prefix, which tells signatures from other items")
	}
	s.Separator = c.Separator
	return nil
}

// setAlgorithm sets the algorithm, the encoding of the signature and the encoding of the key.
func (s *Scheme) setAlgorithm(c Custom) error {
	algorithm, ok := map[string]Algorithm{
		"": s.Mark.Algorithm, "sha256": HMACSHA256, "sha512": HMACSHA512, "sha1": HMACSHA1,
		"ed25519": Ed25519, "ecdsa-p256": ECDSAP256, "rsa-sha256": RSASHA256, "token": Token,
	}[c.Algorithm]
	if !ok {
		return badTerms("the algorithm must be sha256, sha512 or sha1, ed25519, ecdsa-p256 or rsa-sha256, or token")
	}
	s.Mark.Algorithm = algorithm
	switch e := Encoding(c.Encoding); {
	case algorithm == Token && e != "":
		return badTerms("the encoding must be left out with a token")
	case algorithm == Token:
		s.Mark.Encoding = Text
	case e == Hex || e == Base64:
		s.Mark.Encoding = e
	case e != "":
		return badTerms("the encoding must be hex or base64")
	}
	if algorithm.Public() {
		s.Key = Key{Encoding: Base64, Min: 32, Max: 1024}
	}
	switch e := Encoding(c.SecretEncoding); {
	case e == "":
	case e == Text && algorithm.Public():
		return badTerms("the encoding of a public key must be base64 or hex")
	case e == Text || e == Hex || e == Base64:
		s.Key.Encoding = e
	default:
		return badTerms("the secret's encoding must be text, hex or base64")
	}
	return nil
}

// setSigned sets the timestamp and the template of signed bytes. It must run after setPlaces and setMark.
func (s *Scheme) setSigned(c Custom) error {
	if err := s.setTimestamp(c); err != nil {
		return err
	}
	if s.ID[0].Header == s.Mark.Header {
		return badTerms("the signature, the timestamp and the id must be in different headers")
	}
	if s.Mark.Algorithm == Token {
		if c.Signed != "" || s.Timestamp.set() {
			return badTerms("the signed template and the timestamp must be left out with a token, which signs nothing")
		}
		s.Signed = ""
		return nil
	}
	if c.Signed != "" {
		s.Signed = c.Signed
	}
	if reason := checkTemplate(s.Signed); reason != "" {
		return badTerms("the signed template " + reason)
	}
	if s.Timestamp.Field == "" && s.signs(timestampPart) != s.Timestamp.set() {
		return badTerms("a timestamp header needs {timestamp} in the signed template, and the other way round: an " +
			"unsigned timestamp proves nothing")
	}
	if s.signs(idPart) && s.ID[0].Header == "" {
		return badTerms("{id} in the signed template needs an id header")
	}
	return nil
}

// setTimestamp sets the place and the unit of the timestamp.
func (s *Scheme) setTimestamp(c Custom) error {
	places := 0
	for _, place := range []string{c.TimestampHeader, c.TimestampPrefix, c.TimestampField} {
		if place != "" {
			places++
		}
	}
	t := Timestamp{Unit: Seconds, Tolerance: tolerance}
	switch {
	case places > 1:
		return badTerms("the timestamp must be in one place: a header of its own, the signature header, or a field " +
			"of the body")
	case c.TimestampUnit != "" && places == 0:
		return badTerms("a timestamp unit needs a timestamp header, prefix or field")
	case places == 0:
		return nil
	case c.TimestampHeader != "":
		name, err := ownHeader("timestamp", c.TimestampHeader)
		if err != nil {
			return err
		}
		if name == s.Mark.Header || name == s.ID[0].Header {
			return badTerms("the signature, the timestamp and the id must be in different headers")
		}
		t.Header = name
	case c.TimestampPrefix != "":
		if s.Separator == "" || strings.HasPrefix(c.TimestampPrefix, s.Mark.Prefix) ||
			strings.HasPrefix(s.Mark.Prefix, c.TimestampPrefix) {
			return badTerms("a timestamp in the signature header needs a separator, and a prefix that differs from " +
				"the signature's")
		}
		t.Header, t.Prefix = s.Mark.Header, c.TimestampPrefix
	default:
		if !fieldPath(c.TimestampField) {
			return badTerms("the timestamp" + fieldTerms)
		}
		t.Field = c.TimestampField
	}
	switch unit := Unit(c.TimestampUnit); unit {
	case "":
	case Seconds, Milliseconds, RFC3339:
		t.Unit = unit
	default:
		return badTerms("the timestamp unit must be s, ms or rfc3339")
	}
	s.Timestamp = t
	if t.Field == "" {
		s.Signed = timestampPart + "." + bodyPart
	}
	return nil
}

const fieldTerms = ` field must be member names of letters, digits, "_" and "-", or "[0]", joined by "."`

// ownHeader returns the canonical spelling of a header that a sender can choose.
func ownHeader(purpose, name string) (string, *Error) {
	canonical := headerName(name)
	switch canonical {
	case "":
		return "", badTerms("the " + purpose + " header must be a header name, such as letters, digits and -")
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Te", "Upgrade", "Keep-Alive":
		return "", badTerms("the " + purpose + " header must not be " + canonical + ", which the transport sets")
	}
	return canonical, nil
}

// fieldPath reports whether path names a field of a JSON body.
func fieldPath(path string) bool {
	if len(path) > 128 {
		return false
	}
	for name := range strings.SplitSeq(path, ".") {
		if name != "[0]" && !plain(name, 128, "_-") {
			return false
		}
	}
	return true
}
