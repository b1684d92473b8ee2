package signing

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Segments of a path in a row of the table, for arrays of which all is to be accounted for.
const (
	eachElement = "[each]" // every element, of which there is at least one
	onlyElement = "[only]" // the element of an array that has no other
)

// Bounds of what is read for a signature.
const (
	maxSignedField = 4096 // bytes of one field
	maxElements    = 1000 // of an array under [each]
)

// signedField reads a field that a signature covers, "" where it is missing or null. Where somebody else could read
// the body another way it is not read: a name on the way that stands twice, be it in another case, an array under [only]
// with more than one element, something that is neither string nor number at its end.
func signedField(body []byte, path string) (text string, ok bool) {
	n := 0
	ok = signedFields(body, path, func(value string, _ bool) bool {
		text = value
		n++
		return true
	})
	return text, ok && n == 1
}

// signedFields gives the field of every element under [each], or the one field of a path without it. It is not ok where
// signedField is not, and where yield said no.
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

// each hands every element of the array ahead to signedFields.
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

// only enters the array ahead, which must have exactly one element, and stops before it.
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

// unique enters the object ahead, walks over all of it, and stops before the value of the named member. It is not ok
// where there are two that somebody could take for it.
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

// likeName says whether a reader that does not tell upper from lower case would take the quoted name for name, which is ASCII. It
// stops at the first character that differs, and makes nothing: whoever asks has not been believed yet.
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

// nextRune reads one character of a JSON string's inside, and gives how many bytes it is written in. What is broken is U+FFFD.
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
	return rune(text[1]), 2 // a line end is taken for an n, too: that refuses what nobody sends
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

// null passes a null over.
func (s *scanner) null() bool {
	if s.peek() != 'n' {
		return false
	}
	return string(s.word()) == "null"
}
