package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// maxDepth bounds how deeply arrays and objects in a request may nest, an event's data included.
const maxDepth = 128

// fields is a JSON object in a request, which is read member by member. It collects the errors, so that one answer
// names all of them. The method err also refuses all members that were not read.
type fields struct {
	pointer string
	members map[string]json.RawMessage
	order   []string
	known   map[string]bool
	refused *[]tenants.FieldError // shared with nested objects
}

// parseFields reads a body that must be one JSON object. Errors: kind Invalid, codes invalid_json, json_too_deep and
// duplicate_key.
func parseFields(b []byte) (*fields, error) {
	if !utf8.Valid(b) {
		return nil, tenants.Errorf(tenants.Invalid, "invalid_json", "the body is not valid UTF-8")
	}
	if tenants.NestsDeeper(b, maxDepth) {
		return nil, tenants.Errorf(tenants.Invalid, "json_too_deep", "the body nests deeper than %d levels", maxDepth)
	}
	return parseObject(b, "", new([]tenants.FieldError))
}

func parseObject(b []byte, pointer string, refused *[]tenants.FieldError) (*fields, error) {
	malformed := func() error {
		return tenants.Errorf(tenants.Invalid, "invalid_json", "the body must be one JSON object and nothing else")
	}
	f := &fields{pointer: pointer, members: make(map[string]json.RawMessage), known: make(map[string]bool),
		refused: refused}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, malformed()
	}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, malformed()
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, malformed()
		}
		if _, twice := f.members[name]; twice {
			return nil, &tenants.Error{Kind: tenants.Invalid, Code: "duplicate_key",
				Detail: "the body has a member twice",
				Fields: []tenants.FieldError{{Pointer: f.pointerTo(name), Detail: "is given twice"}}}
		}
		f.members[name] = value
		f.order = append(f.order, name)
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed()
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed()
	}
	return f, nil
}

// pointerTo returns the JSON pointer (RFC 6901) of a member. It truncates long names to keep the answer short.
func (f *fields) pointerTo(name string) string {
	if len(name) > 64 {
		name = strings.ToValidUTF8(name[:64], "") + "…"
	}
	return f.pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func (f *fields) refuse(name, why string) {
	*f.refused = append(*f.refused, tenants.FieldError{Pointer: f.pointerTo(name), Detail: why})
}

// has reports whether the member is present, and marks it as known.
func (f *fields) has(name string) bool {
	f.known[name] = true
	_, ok := f.members[name]
	return ok
}

// require refuses the request if one of the members is missing.
func (f *fields) require(names ...string) {
	for _, n := range names {
		if !f.has(n) {
			f.refuse(n, "is required")
		}
	}
}

// readOnly refuses the request if one of the members is present. Answers have these members, but requests cannot set
// them.
func (f *fields) readOnly(names ...string) {
	for _, n := range names {
		if f.has(n) {
			f.refuse(n, "is read-only")
		}
	}
}

// isNull reports whether the member is present and null, which clears a value or restores its default.
func (f *fields) isNull(name string) bool {
	return f.has(name) && string(f.members[name]) == "null"
}

// raw returns the member's unchanged bytes, nil if it is missing.
func (f *fields) raw(name string) json.RawMessage {
	f.has(name)
	return f.members[name]
}

// text returns a string member, "" if it is missing. It is valid UTF-8 without control characters and without U+FFFD,
// to which lone surrogates decode.
func (f *fields) text(name string) string {
	if !f.has(name) {
		return ""
	}
	s, why := textOf(f.members[name])
	if why != "" {
		f.refuse(name, why)
	}
	return s
}

// textOrNull is text that accepts null as "".
func (f *fields) textOrNull(name string) string {
	if f.isNull(name) {
		return ""
	}
	return f.text(name)
}

// lines is text that may contain line breaks and tabs.
func (f *fields) lines(name string) (s string) {
	if !f.has(name) {
		return ""
	}
	if raw := f.members[name]; raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		f.refuse(name, "must be a string")
		return ""
	}
	if _, why := visible(strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)); why != "" {
		f.refuse(name, why+" other than tabs and line breaks")
	}
	return s
}

func textOf(raw json.RawMessage) (s, why string) {
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", "must be a string"
	}
	return visible(s)
}

func visible(s string) (_, why string) {
	for _, c := range s {
		if unicode.IsControl(c) || c == utf8.RuneError {
			return "", "must not contain control characters"
		}
	}
	return s, ""
}

// optional returns what read makes of the member, nil if it is missing.
func optional[T any](f *fields, name string, read func(name string) T) *T {
	if !f.has(name) {
		return nil
	}
	return new(read(name))
}

// array returns the elements of an array member, at most limit of them; nil if it is missing or refused. of says what
// the elements must be, which the caller checks.
func (f *fields) array(name, of string, limit int) (elements []json.RawMessage) {
	if !f.has(name) {
		return nil
	}
	if f.members[name][0] != '[' || json.Unmarshal(f.members[name], &elements) != nil {
		f.refuse(name, "must be an array of "+of)
		return nil
	}
	if len(elements) > limit {
		f.refuse(name, "must have at most "+strconv.Itoa(limit)+" elements")
		return nil
	}
	return elements
}

// texts returns an array of at most limit strings, nil if it is missing.
func (f *fields) texts(name string, limit int) []string {
	raws := f.array(name, "strings", limit)
	if raws == nil {
		return nil
	}
	list := make([]string, 0, len(raws))
	for i, raw := range raws {
		s, why := textOf(raw)
		if why != "" {
			*f.refused = append(*f.refused, tenants.FieldError{Pointer: f.pointerTo(name) + "/" + strconv.Itoa(i),
				Detail: why})
		}
		list = append(list, s)
	}
	return list
}

// integer returns a whole number from low to high, 0 if it is missing.
func (f *fields) integer(name string, low, high int64) int64 {
	if !f.has(name) {
		return 0
	}
	n, err := strconv.ParseInt(string(f.members[name]), 10, 64)
	if err != nil || n < low || n > high {
		f.refuse(name, "must be a whole number from "+strconv.FormatInt(low, 10)+" to "+strconv.FormatInt(high, 10))
		return 0
	}
	return n
}

// share returns a number above 0 and at most 1, or 0 if it is missing.
func (f *fields) share(name string) float64 {
	if !f.has(name) {
		return 0
	}
	n, err := strconv.ParseFloat(string(f.members[name]), 64)
	if err != nil || !(n > 0 && n <= 1) {
		f.refuse(name, "must be a number above 0 and at most 1")
		return 0
	}
	return n
}

// flag returns a boolean member, false if it is missing.
func (f *fields) flag(name string) bool {
	if !f.has(name) {
		return false
	}
	switch string(f.members[name]) {
	case "true":
		return true
	case "false":
		return false
	}
	f.refuse(name, "must be true or false")
	return false
}

// object returns an object member, nil if it is missing or not an object. The caller reads its members and calls its
// refuseUnknown; their errors are in the outer err.
func (f *fields) object(name string) (*fields, error) {
	if !f.has(name) {
		return nil, nil
	}
	if f.members[name][0] != '{' {
		f.refuse(name, "must be an object")
		return nil, nil
	}
	return parseObject(f.members[name], f.pointerTo(name), f.refused)
}

// objects returns an array of at most limit objects, nil if it is missing or not an array. The caller reads the
// members of each and calls its refuseUnknown; their errors are in the outer err.
func (f *fields) objects(name string, limit int) ([]*fields, error) {
	raws := f.array(name, "objects", limit)
	if raws == nil {
		return nil, nil
	}
	list := make([]*fields, 0, len(raws))
	for i, raw := range raws {
		at := f.pointerTo(name) + "/" + strconv.Itoa(i)
		if raw[0] != '{' {
			*f.refused = append(*f.refused, tenants.FieldError{Pointer: at, Detail: "must be an object"})
			continue
		}
		one, err := parseObject(raw, at, f.refused)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// refuseUnknown refuses all members that have not been read.
func (f *fields) refuseUnknown() {
	for _, name := range f.order {
		if !f.known[name] {
			f.refuse(name, "is unknown")
		}
	}
}

// err returns nil, or an error of kind Unprocessable and code invalid_fields with the pointers of the first 20
// refused members. The caller must have read all members.
func (f *fields) err() error {
	f.refuseUnknown()
	if len(*f.refused) == 0 {
		return nil
	}
	list := *f.refused
	if len(list) > 20 {
		list = list[:20]
	}
	return &tenants.Error{Kind: tenants.Unprocessable, Code: "invalid_fields",
		Detail: "some members of the body are invalid; errors lists them", Fields: list}
}
