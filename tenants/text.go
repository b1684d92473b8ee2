package tenants

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckName refuses a name that people could confuse with another, or that would break a log line: Unprocessable
// invalid_name, at pointer. A name is 1 to 100 printable characters, with single spaces between words.
func CheckName(pointer, name string) error {
	detail := ""
	switch {
	case name == "":
		detail = "a name is required"
	case !utf8.ValidString(name):
		detail = "the name must be valid UTF-8"
	case utf8.RuneCountInString(name) > 100:
		detail = "the name must be at most 100 characters"
	case strings.TrimSpace(name) != name || strings.Contains(name, "  "):
		detail = "the name must not begin or end with a space, or contain two in a row"
	case strings.ContainsRune(name, utf8.RuneError) || !Printable(name, len(name)):
		detail = "the name must consist of printable characters"
	default:
		return nil
	}
	return Refused(pointer, "invalid_name", detail)
}

// Printable reports whether s is empty or at most max bytes of printable UTF-8 text.
func Printable(s string, max int) bool {
	return len(s) <= max && utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool {
		return !unicode.IsPrint(c)
	})
}

// NestsDeeper reports whether arrays and objects of a JSON text nest deeper than most. It only counts brackets, without
// recursion, so that it can be called before the text is parsed and known to be JSON.
func NestsDeeper(text []byte, most int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
