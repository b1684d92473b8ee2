package proxy

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// Parameter is a hole of a proxy's request that its callers fill: {{name}} in the URL, in a header or in the body. Its kind says what may
// stand there.
type Parameter struct {
	Kind      ParameterKind
	Min, Max  int64    // of an integer
	Values    []string // of an enum
	MaxLength int      // of an id or a text, in characters; 0: 128 and 500
	Default   *string  // where the caller says nothing; nil: the caller must
}

// ParameterKind is the grammar of a parameter.
type ParameterKind string

// The kinds.
const (
	ParameterInteger ParameterKind = "integer" // a whole number from Min to Max
	ParameterID      ParameterKind = "id"      // letters, digits, _ and -
	ParameterEnum    ParameterKind = "enum"    // one of Values
	ParameterText    ParameterKind = "text"    // text without control characters
)

const (
	maxParameters    = 20
	maxParameterName = 32
	maxIDLength      = 128
	maxTextLength    = 4000
	maxEnumValues    = 100
	maxInteger       = 1 << 53 // every JSON reader has these
)

// check refuses a declaration that means nothing.
func (p Parameter) check(pointer string) error {
	wrong := func(why string) error { return tenants.Refused(pointer, "invalid_parameter", why) }
	switch p.Kind {
	case ParameterInteger:
		if p.Min > p.Max || p.Min < -maxInteger || p.Max > maxInteger {
			return wrong("min and max of an integer must be in order, and within 2^53")
		}
	case ParameterID:
		if p.MaxLength < 0 || p.MaxLength > maxIDLength {
			return wrong("an id has at most 128 characters")
		}
	case ParameterText:
		if p.MaxLength < 0 || p.MaxLength > maxTextLength {
			return wrong("a text has at most 4000 characters")
		}
	case ParameterEnum:
		if len(p.Values) == 0 || len(p.Values) > maxEnumValues {
			return wrong("an enum has 1 to 100 values")
		}
		for _, v := range p.Values {
			if !plainText(v, 200) {
				return wrong("an enum's value is 1 to 200 characters that show")
			}
		}
	default:
		return wrong("the type is integer, id, enum or text")
	}
	if p.Default != nil && !p.allows(*p.Default) {
		return wrong("the default is none of the values that the parameter takes")
	}
	return nil
}

// allows tells whether a caller may fill the hole with v.
func (p Parameter) allows(v string) bool {
	switch p.Kind {
	case ParameterInteger:
		n, err := strconv.ParseInt(v, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == v && n >= p.Min && n <= p.Max
	case ParameterID:
		most := p.MaxLength
		if most == 0 {
			most = maxIDLength
		}
		return v != "" && len(v) <= most && strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
	case ParameterEnum:
		return slices.Contains(p.Values, v)
	case ParameterText:
		most := p.MaxLength
		if most == 0 {
			most = 500
		}
		return plainText(v, most)
	}
	return false
}

// plainText tells whether s is 1 to max characters of one line, none of which could begin another.
func plainText(s string, max int) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= max &&
		!strings.ContainsFunc(s, func(c rune) bool {
			return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' || c == utf8.RuneError
		})
}

// sample is a value that the parameter takes, to try a template with.
func (p Parameter) sample() string {
	switch p.Kind {
	case ParameterInteger:
		return strconv.FormatInt(p.Min, 10)
	case ParameterEnum:
		return p.Values[0]
	}
	return "a"
}

func checkParameters(ps map[string]Parameter) error {
	if len(ps) > maxParameters {
		return tenants.Refused("/parameters", "invalid_parameter", "there may be at most 20 parameters")
	}
	for _, name := range slices.Sorted(maps.Keys(ps)) {
		if !parameterName(name) {
			return tenants.Refused("/parameters", "invalid_parameter", "a parameter's name is a-z, then up to 31 of a-z, 0-9 and _")
		}
		if err := ps[name].check("/parameters/" + name); err != nil {
			return err
		}
	}
	return nil
}

func parameterName(s string) bool {
	if s == "" || len(s) > maxParameterName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// bindValues holds what a caller gives to the parameters: every one has a value behind it. Unprocessable invalid_parameter at
// /parameters/NAME; what was given is not repeated.
func bindValues(ps map[string]Parameter, given map[string]string) (map[string]string, error) {
	for name := range given {
		if _, known := ps[name]; !known {
			return nil, tenants.Refused("/parameters", "invalid_parameter", "a parameter is given that the proxy does not have")
		}
	}
	values := make(map[string]string, len(ps))
	for _, name := range slices.Sorted(maps.Keys(ps)) {
		p := ps[name]
		v, ok := given[name]
		switch {
		case !ok && p.Default == nil:
			return nil, tenants.Refused("/parameters/"+name, "invalid_parameter", "the parameter is required")
		case !ok:
			v = *p.Default
		case !p.allows(v):
			return nil, tenants.Refused("/parameters/"+name, "invalid_parameter", "this is none of the values that the parameter takes")
		}
		values[name] = v
	}
	return values, nil
}
