package proxy

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// Parameter declares a placeholder, which callers supply a value for: {{name}} in the URL, in a header or in the body.
type Parameter struct {
	Kind      ParameterKind
	Min, Max  int64    // of an integer
	Values    []string // of an enum
	MaxLength int      // of an id or a text, in characters; 0: 128 for an id, 500 for a text
	Default   *string  // the value if the caller gives none; nil: the caller must give one
}

// ParameterKind says which values a parameter allows.
type ParameterKind string

// The kinds of parameters.
const (
	ParameterInteger ParameterKind = "integer" // a whole number from Min to Max
	ParameterID      ParameterKind = "id"      // letters, digits, _ and -
	ParameterEnum    ParameterKind = "enum"    // one of Values
	ParameterText    ParameterKind = "text"    // one line of text without control characters
)

const (
	maxParameters    = 20
	maxParameterName = 32
	maxIDLength      = 128
	maxTextLength    = 4000
	textLength       = 500 // if MaxLength is 0
	maxEnumValues    = 100
	maxInteger       = 1 << 53 // exact in every JSON reader
)

// check refuses an inconsistent declaration.
func (p Parameter) check(pointer string) error {
	wrong := func(why string) error { return tenants.Refused(pointer, "invalid_parameter", why) }
	switch p.Kind {
	case ParameterInteger:
		if p.Min > p.Max || p.Min < -maxInteger || p.Max > maxInteger {
			return wrong("min and max of an integer must be in order, and from -2^53 to 2^53")
		}
	case ParameterID:
		if p.MaxLength < 0 || p.MaxLength > maxIDLength {
			return wrong("the max_length of an id must be at most 128 characters")
		}
	case ParameterText:
		if p.MaxLength < 0 || p.MaxLength > maxTextLength {
			return wrong("the max_length of a text must be at most 4000 characters")
		}
	case ParameterEnum:
		if len(p.Values) == 0 || len(p.Values) > maxEnumValues {
			return wrong("an enum must have 1 to 100 values")
		}
		for _, v := range p.Values {
			if !isLine(v, 200) {
				return wrong("a value of an enum must be 1 to 200 characters without control characters")
			}
		}
	default:
		return wrong("the type must be integer, id, enum or text")
	}
	if p.Default != nil && !p.allows(*p.Default) {
		return wrong("the default must be a value that the parameter allows")
	}
	return nil
}

// allows reports whether a caller may give v.
func (p Parameter) allows(v string) bool {
	switch p.Kind {
	case ParameterInteger:
		n, err := strconv.ParseInt(v, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == v && n >= p.Min && n <= p.Max
	case ParameterID:
		return v != "" && len(v) <= cmp.Or(p.MaxLength, maxIDLength) &&
			strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
	case ParameterEnum:
		return slices.Contains(p.Values, v)
	case ParameterText:
		return isLine(v, cmp.Or(p.MaxLength, textLength))
	}
	return false
}

// isLine reports whether s is 1 to max characters of one line.
func isLine(s string, max int) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= max &&
		!strings.ContainsFunc(s, func(c rune) bool {
			return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' || c == utf8.RuneError
		})
}

// sample returns a value that the parameter allows, to try a template with.
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
		return tenants.Refused("/parameters", "invalid_parameter", "there must be at most 20 parameters")
	}
	for _, name := range slices.Sorted(maps.Keys(ps)) {
		if len(name) > maxParameterName || name == "" || name[0] < 'a' || name[0] > 'z' ||
			strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return tenants.Refused("/parameters", "invalid_parameter",
				"the name of a parameter must be a letter a-z, then up to 31 of a-z, 0-9 and _")
		}
		if err := ps[name].check("/parameters/" + name); err != nil {
			return err
		}
	}
	return nil
}

// bindValues returns a value for every parameter: the given one, or the default. It fails with Unprocessable
// invalid_parameter at /parameters/NAME, and does not repeat what was given.
func bindValues(ps map[string]Parameter, given map[string]string) (map[string]string, error) {
	for name := range given {
		if _, known := ps[name]; !known {
			return nil, tenants.Refused("/parameters", "invalid_parameter",
				"the values must be of parameters that the proxy has")
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
			return nil, tenants.Refused("/parameters/"+name, "invalid_parameter",
				"the value is not one of those that the parameter allows")
		}
		values[name] = v
	}
	return values, nil
}
