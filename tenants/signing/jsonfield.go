package signing

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is the deepest nesting that is searched. A field that follows something deeper is not found.
const maxDepth = 64

// jsonField returns the string or number at the path that [Place] describes. It makes one pass, without recursion,
// allocates only the value, and stops at the field: the rest of the body need not be valid JSON. The first of several
// members with equal names wins; names are compared case-sensitively, after unescaping. A number is returned as
// written. A value over limit bytes is cut to limit+1 bytes.
func jsonField(body []byte, path string, limit int) (string, bool) {
	s := scanner{b: body}
	for depth := 1; depth <= maxDepth; depth++ {
		name, rest, deeper := strings.Cut(path, ".")
		if n, ok := elementIndex(name); ok {
			if !s.element(n, depth) {
				return "", false
			}
		} else if !s.member(name, depth) {
			return "", false
		}
		if !deeper {
			return s.scalar(limit)
		}
		path = rest
	}
	return "", false
}

// elementIndex parses a path segment that indexes an array: "[0]". "[each]" and "[only]" count as the first element.
func elementIndex(segment string) (int, bool) {
	if len(segment) < 3 || segment[0] != '[' {
		return 0, false
	}
	switch segment {
	case eachElement, onlyElement:
		return 0, true
	}
	n, err := strconv.ParseUint(segment[1:len(segment)-1], 10, 7)
	return int(n), err == nil
}

// scanner walks over JSON text. Its methods return false if the text is not as expected; the scanner must not be used
// afterwards.
type scanner struct {
	b []byte
	i int
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take consumes the byte c.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

// member enters the next object and stops before the value of the named member.
func (s *scanner) member(name string, depth int) bool {
	if !s.take('{') {
		return false
	}
	for {
		key, ok := s.quoted()
		if !ok || !s.take(':') {
			return false
		}
		if sameName(key, name) {
			return true
		}
		if !s.skip(depth) || !s.take(',') {
			return false
		}
	}
}

// element enters the next array and stops before its n-th element, counted from 0.
func (s *scanner) element(n, depth int) bool {
	if !s.take('[') {
		return false
	}
	for ; n > 0; n-- {
		if !s.skip(depth) || !s.take(',') {
			return false
		}
	}
	return true
}

// quoted consumes a string and returns it with its quotes.
func (s *scanner) quoted() ([]byte, bool) {
	if s.peek() != '"' {
		return nil, false
	}
	start := s.i
	for end := start + 1; ; end++ {
		n := bytes.IndexByte(s.b[end:], '"')
		if n < 0 {
			return nil, false
		}
		end += n
		slashes := 0
		for s.b[end-1-slashes] == '\\' { // ends at the opening quote
			slashes++
		}
		if slashes%2 == 0 {
			s.i = end + 1
			return s.b[start:s.i], true
		}
	}
}

// skip consumes one value of any kind. depth counts the containers around it.
func (s *scanner) skip(depth int) bool {
	var arrays uint64 // one bit per open container: set for an array
	for open := 0; ; {
		switch c := s.peek(); c {
		case 0:
			return false
		case '"':
			if _, ok := s.quoted(); !ok {
				return false
			}
		case '{', '[':
			if open++; depth+open > maxDepth {
				return false
			}
			arrays <<= 1
			if c == '[' {
				arrays |= 1
			}
			s.i++
			continue
		case '}', ']':
			if open == 0 || (arrays&1 == 1) != (c == ']') {
				return false
			}
			arrays >>= 1
			open--
			s.i++
		case ',', ':':
			if open == 0 {
				return false
			}
			s.i++
			continue
		default:
			s.word()
		}
		if open == 0 {
			return true
		}
	}
}

// word consumes a number, true, false, null or junk, up to the next byte that cannot be part of one.
func (s *scanner) word() []byte {
	start := s.i
	for ; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r', ',', ':', '[', ']', '{', '}', '"':
			return s.b[start:s.i]
		}
	}
	return s.b[start:s.i]
}

// scalar consumes a string or number and returns it.
func (s *scanner) scalar(limit int) (string, bool) {
	switch c := s.peek(); {
	case c == '"':
		quoted, ok := s.quoted()
		if !ok {
			return "", false
		}
		// an escape has at most 6 bytes and yields at least one
		if text := quoted[1 : len(quoted)-1]; len(text) > 6*limit {
			return string(text[:limit+1]), true
		}
		text, ok := unquote(quoted)
		return text[:min(len(text), limit+1)], ok // invalid UTF-8 grows to three times its length
	case c == '-' || c >= '0' && c <= '9':
		word := s.word()
		if len(word) > limit {
			return string(word[:limit+1]), true
		}
		if json.Valid(word) {
			return string(word), true
		}
	}
	return "", false
}

// sameName reports whether a quoted member name equals name.
func sameName(quoted []byte, name string) bool {
	text := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text) == name
	}
	if len(text) > 6*len(name) {
		return false
	}
	key, ok := unquote(quoted)
	return ok && key == name
}

// unquote decodes a JSON string. Invalid UTF-8 and lone surrogates become U+FFFD, as in encoding/json.
func unquote(quoted []byte) (string, bool) {
	text := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
		return string(text), true
	}
	var out string
	if json.Unmarshal(quoted, &out) != nil {
		return "", false
	}
	return out, true
}
