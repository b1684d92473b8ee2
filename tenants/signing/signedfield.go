package signing

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Path segments for arrays whose elements must all be accounted for.
const (
	eachElement = "[each]" // every element, at least one
	onlyElement = "[only]" // the only element
)

// Upper bounds of signed values.
const (
	maxSignedField = 4096 // of one field, in bytes
	maxElements    = 1000 // of an array under [each]
)

// signedField returns a field that a signature covers, "" if it is absent or null. ok is false if another reader
// could read the body differently: a name on the way that is repeated, even in another case, an array under [only]
// with several elements, or a value that is neither a string nor a number.
func signedField(body []byte, path string) (text string, ok bool) {
	n := 0
	ok = signedFields(body, path, func(value string, _ bool) bool {
		text = value
		n++
		return true
	})
	return text, ok && n == 1
}

// signedFields passes the field of every element under [each] to yield, or the one field of a path without it. It
// returns false if signedField would fail, or if yield returned false.
func signedFields(body []byte, path string, yield func(value string, found bool) bool) bool {
	s := scanner{b: body}
	for depth := 1; depth <= maxDepth; depth++ {
		segment, rest, deeper := strings.Cut(path, ".")
		switch segment {
		case eachElement:
			return s.each(rest, depth, yield)
		case onlyElement:
			if !s.only(depth) {
				return false
			}
		case "[0]":
			if !s.element(0, depth) {
				return false
			}
		default:
			found, ok := s.unique(segment, depth)
			if !ok {
				return false
			}
			if !found || s.null() {
				return yield("", false)
			}
		}
		if !deeper {
			text, ok := s.scalar(maxSignedField)
			return ok && len(text) <= maxSignedField && yield(text, true)
		}
		path = rest
	}
	return false
}

// each calls signedFields for every element of the next array.
func (s *scanner) each(path string, depth int, yield func(string, bool) bool) bool {
	if !s.take('[') {
		return false
	}
	for n := 0; n < maxElements; n++ {
		s.peek()
		start := s.i
		if !s.skip(depth) || !signedFields(s.b[start:s.i], path, yield) {
			return false
		}
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
	return false
}

// only enters the next array, which must have exactly one element, and stops before it.
func (s *scanner) only(depth int) bool {
	if !s.take('[') {
		return false
	}
	s.peek()
	at := s.i
	if !s.skip(depth) || !s.take(']') {
		return false
	}
	s.i = at
	return true
}

// unique enters the next object, reads it to its end, and stops before the value of the named member. ok is false if
// several members could be taken for it.
func (s *scanner) unique(name string, depth int) (found, ok bool) {
	if !s.take('{') {
		return false, false
	}
	if s.take('}') {
		return false, true
	}
	at := 0
	for {
		key, ok := s.quoted()
		if !ok || !s.take(':') {
			return false, false
		}
		if likeName(key, name) {
			if at > 0 || !sameName(key, name) {
				return false, false
			}
			s.peek()
			at = s.i
		}
		if !s.skip(depth) {
			return false, false
		}
		if s.take(',') {
			continue
		}
		if !s.take('}') {
			return false, false
		}
		if at > 0 {
			s.i = at
		}
		return at > 0, true
	}
}

// likeName reports whether a case-insensitive reader would take the quoted name for name, which is ASCII. It stops at
// the first difference and allocates nothing, since the request is still unauthenticated.
func likeName(quoted []byte, name string) bool {
	text := quoted[1 : len(quoted)-1]
	for i := range len(name) {
		c, n := nextRune(text)
		if n == 0 || !sameLetter(c, rune(name[i])) {
			return false
		}
		text = text[n:]
	}
	return len(text) == 0
}

// nextRune returns the first character in the inside of a JSON string and the number of bytes that it is written in.
// An invalid one is U+FFFD.
func nextRune(text []byte) (c rune, n int) {
	switch {
	case len(text) == 0:
		return 0, 0
	case text[0] != '\\':
		return utf8.DecodeRune(text)
	case len(text) >= 6 && text[1] == 'u':
		code, err := strconv.ParseUint(string(text[2:6]), 16, 32)
		if err != nil {
			return utf8.RuneError, 6
		}
		return rune(code), 6
	case len(text) == 1:
		return utf8.RuneError, 1
	}
	return rune(text[1]), 2 // a line feed escape counts as an n, which refuses only what no sender writes
}

func sameLetter(a, b rune) bool {
	for c := a; ; {
		if c == b {
			return true
		}
		if c = unicode.SimpleFold(c); c == a {
			return false
		}
	}
}

// null consumes a null.
func (s *scanner) null() bool {
	if s.peek() != 'n' {
		return false
	}
	return string(s.word()) == "null"
}
