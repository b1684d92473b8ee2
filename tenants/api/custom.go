package api

import "github.com/hookcast/hookcast/tenants/signing"

// customView is a tenant's own parameters for a signature scheme, in requests and answers.
type customView struct {
	Header          string `json:"header,omitempty"`
	Algorithm       string `json:"algorithm,omitempty"`
	Encoding        string `json:"encoding,omitempty"`
	Prefix          string `json:"prefix,omitempty"`
	Separator       string `json:"separator,omitempty"`
	SecretEncoding  string `json:"secret_encoding,omitempty"`
	TimestampHeader string `json:"timestamp_header,omitempty"`
	TimestampPrefix string `json:"timestamp_prefix,omitempty"`
	TimestampField  string `json:"timestamp_field,omitempty"`
	TimestampUnit   string `json:"timestamp_unit,omitempty"`
	Signed          string `json:"signed,omitempty"`
	IDHeader        string `json:"id_header,omitempty"`
	IDField         string `json:"id_field,omitempty"`
	TypeHeader      string `json:"type_header,omitempty"`
	TypeField       string `json:"type_field,omitempty"`
}

func viewCustom(c *signing.Custom) *customView {
	if c == nil {
		return nil
	}
	return &customView{
		Header: c.Header, Algorithm: c.Algorithm, Encoding: c.Encoding, Prefix: c.Prefix, Separator: c.Separator,
		SecretEncoding: c.SecretEncoding, TimestampHeader: c.TimestampHeader, TimestampPrefix: c.TimestampPrefix,
		TimestampField: c.TimestampField, TimestampUnit: c.TimestampUnit, Signed: c.Signed, IDHeader: c.IDHeader,
		IDField: c.IDField, TypeHeader: c.TypeHeader, TypeField: c.TypeField,
	}
}

// customOf reads the member custom, nil if it is missing. The domain checks its values against the scheme.
func customOf(f *fields) (*signing.Custom, error) {
	in, err := f.object("custom")
	if err != nil || in == nil {
		return nil, err
	}
	c := &signing.Custom{
		Header: in.text("header"), Algorithm: in.text("algorithm"), Encoding: in.text("encoding"),
		Prefix: in.text("prefix"), Separator: in.text("separator"), SecretEncoding: in.text("secret_encoding"),
		TimestampHeader: in.text("timestamp_header"), TimestampPrefix: in.text("timestamp_prefix"),
		TimestampField: in.text("timestamp_field"), TimestampUnit: in.text("timestamp_unit"),
		Signed: in.text("signed"), IDHeader: in.text("id_header"), IDField: in.text("id_field"),
		TypeHeader: in.text("type_header"), TypeField: in.text("type_field"),
	}
	in.refuseUnknown()
	return c, nil
}
