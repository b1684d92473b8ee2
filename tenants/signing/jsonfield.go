package signing

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep a body may be nested on the way to a field. A field behind something deeper is not found.
const maxDepth = 64

// jsonField reads a string or a number in body, at the path that [Place] describes. It stops at the field:
// one pass, no recursion, nothing allocated but the value, and what follows is not looked at, so the body need not be
// valid JSON to its end. Of members with equal names the first wins; names are compared after unescaping, and case
// counts. A number is given as written. A value over limit bytes is cut to one byte more.
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

// elementIndex reads a segment of a path that is an array's: "[0]". Of "[each]" and "[only]" it is the first.
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

// scanner walks over JSON text. Its methods say false where the text is not what they want; it is then of no more use.
type scanner struct {
	b []byte
	i int
}

// peek passes white space over and gives the next byte, 0 at the end.
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

// take passes one given byte over.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

// member enters the object ahead and stops before the value of the named member.
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

// element enters the array ahead and stops before its n-th element, counted from 0.
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

// quoted passes a string over and gives it with its quotes.
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

// skip passes one value over, whatever it is. depth counts the containers around it.
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

// word passes a number, true, false, null or junk over, up to the next byte that cannot be part of one.
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

// scalar reads the string or number ahead.
func (s *scanner) scalar(limit int) (string, bool) {
	switch c := s.peek(); {
	case c == '"':
		quoted, ok := s.quoted()
		if !ok {
			return "", false
		}
		if text := quoted[1 : len(quoted)-1]; len(text) > 6*limit { // an escape is 6 bytes for at least one
			return string(text[:limit+1]), true
		}
		text, ok := unquote(quoted)
		return text[:min(len(text), limit+1)], ok // broken UTF-8 grows to three times its length
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

// sameName compares a quoted member name.
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

// unquote decodes a JSON string. Broken UTF-8 and lone surrogates become U+FFFD, as in encoding/json.
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
