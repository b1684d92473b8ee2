package signing

import "strings"

// Custom is a tenant's own terms for the scheme "hmac"; for "none" only the last four. An empty field leaves the
// scheme's own, except Prefix, whose empty value is a value.
type Custom struct {
	Header string // of the signature; "X-Signature" if empty
	// Algorithm is "sha256" (default), "sha512" or "sha1", which are HMACs; "ed25519", "ecdsa-p256" or "rsa-sha256", whose
	// secret is the sender's public key; or "token", the secret itself.
	Algorithm      string
	Encoding       string // of the signature: "hex" (default) or "base64"; with a token none
	Prefix         string // what stands before the signature: "sha256="
	Separator      string // what parts several signatures in the header: ","
	SecretEncoding string // how the secret's text gives the key: "text" (default), "hex" or "base64" (default for public keys)

	TimestampHeader string
	TimestampPrefix string // in place of a header: the item of the signature header that is the timestamp: "t="
	TimestampField  string // in place of a header: a field of a JSON body
	TimestampUnit   string // "s" (Unix time, default), "ms" or "rfc3339"
	// Signed is the template of Scheme.Signed: "{body}", with a timestamp of a header "{timestamp}.{body}", if empty. A
	// timestamp must be signed, or it would prove nothing.
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
				return terms("the " + t.what + fieldTerms)
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
	if err := s.algorithm(c); err != nil {
		return err
	}
	for _, t := range []struct{ what, text string }{{"prefix", c.Prefix}, {"timestamp's prefix", c.TimestampPrefix}} {
		if len(t.text) > 32 || !printable(t.text) || strings.HasPrefix(t.text, " ") {
			return terms("the " + t.what + " must be at most 32 printable ASCII characters and not begin with a space")
		}
	}
	s.Mark.Prefix = c.Prefix
	if len(c.Separator) > 4 || !printable(c.Separator) || strings.ContainsAny(c.Separator, "+/=") || plain(c.Separator, 4, "") {
		return terms(`the separator must be at most 4 printable ASCII characters, and none of a signature's`)
	}
	if c.Separator != "" && c.Prefix == "" {
		return terms("a separator needs a prefix, which tells the signatures from what else there is")
	}
	s.Separator = c.Separator
	return nil
}

// algorithm sets how the signature is made, how it is written, and from which key.
func (s *Scheme) algorithm(c Custom) error {
	algorithm, ok := map[string]Algorithm{
		"": s.Mark.Algorithm, "sha256": HMACSHA256, "sha512": HMACSHA512, "sha1": HMACSHA1,
		"ed25519": Ed25519, "ecdsa-p256": ECDSAP256, "rsa-sha256": RSASHA256, "token": Token,
	}[c.Algorithm]
	if !ok {
		return terms("the algorithm must be sha256, sha512 or sha1, ed25519, ecdsa-p256 or rsa-sha256, or token")
	}
	s.Mark.Algorithm = algorithm
	switch e := Encoding(c.Encoding); {
	case algorithm == Token && e != "":
		return terms("a token has no encoding")
	case algorithm == Token:
		s.Mark.Encoding = Text
	case e == Hex || e == Base64:
		s.Mark.Encoding = e
	case e != "":
		return terms("the encoding must be hex or base64")
	}
	if algorithm.Public() {
		s.Key = Key{Encoding: Base64, Min: 32, Max: 1024}
	}
	switch e := Encoding(c.SecretEncoding); {
	case e == "":
	case e == Text && algorithm.Public():
		return terms("the encoding of a public key must be base64 or hex")
	case e == Text || e == Hex || e == Base64:
		s.Key.Encoding = e
	default:
		return terms("the secret's encoding must be text, hex or base64")
	}
	return nil
}

// cover sets the timestamp and the signed bytes. Only after place and mark.
func (s *Scheme) cover(c Custom) error {
	if err := s.clock(c); err != nil {
		return err
	}
	if s.ID[0].Header == s.Mark.Header {
		return terms("signature, timestamp and id must stand in different headers")
	}
	if s.Mark.Algorithm == Token {
		if c.Signed != "" || s.Timestamp.set() {
			return terms("a token signs nothing, neither bytes nor a timestamp")
		}
		s.Signed = ""
		return nil
	}
	if c.Signed != "" {
		s.Signed = c.Signed
	}
	if reason := checkTemplate(s.Signed); reason != "" {
		return terms("the signed template " + reason)
	}
	if s.Timestamp.Field == "" && s.signs(timestampPart) != s.Timestamp.set() {
		return terms("a timestamp header and {timestamp} in the signed template go together: unsigned it proves nothing")
	}
	if s.signs(idPart) && s.ID[0].Header == "" {
		return terms("{id} in the signed template needs an id header")
	}
	return nil
}

// clock sets where the timestamp stands and how it is written.
func (s *Scheme) clock(c Custom) error {
	places := 0
	for _, place := range []string{c.TimestampHeader, c.TimestampPrefix, c.TimestampField} {
		if place != "" {
			places++
		}
	}
	t := Timestamp{Unit: Seconds, Tolerance: tolerance}
	switch {
	case places > 1:
		return terms("the timestamp stands in a header of its own, in the signature's, or in a field of the body: name one")
	case c.TimestampUnit != "" && places == 0:
		return terms("there is a timestamp's unit and no timestamp header")
	case places == 0:
		return nil
	case c.TimestampHeader != "":
		name, err := ownHeader("timestamp", c.TimestampHeader)
		if err != nil {
			return err
		}
		if name == s.Mark.Header || name == s.ID[0].Header {
			return terms("signature, timestamp and id must stand in different headers")
		}
		t.Header = name
	case c.TimestampPrefix != "":
		if s.Separator == "" || strings.HasPrefix(c.TimestampPrefix, s.Mark.Prefix) || strings.HasPrefix(s.Mark.Prefix, c.TimestampPrefix) {
			return terms("a timestamp beside the signature needs a separator, and a prefix that is not the signature's")
		}
		t.Header, t.Prefix = s.Mark.Header, c.TimestampPrefix
	default:
		if !fieldPath(c.TimestampField) {
			return terms("the timestamp" + fieldTerms)
		}
		t.Field = c.TimestampField
	}
	switch unit := Unit(c.TimestampUnit); unit {
	case "":
	case Seconds, Milliseconds, RFC3339:
		t.Unit = unit
	default:
		return terms("the timestamp's unit must be s or ms, or rfc3339")
	}
	s.Timestamp = t
	if t.Field == "" {
		s.Signed = timestampPart + "." + bodyPart
	}
	return nil
}

const fieldTerms = ` field must be member names of letters, digits, "_" and "-", or "[0]", joined by "."`

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
		if name != "[0]" && !plain(name, 128, "_-") {
			return false
		}
	}
	return true
}
