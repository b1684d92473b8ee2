package tenants

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// NestsDeeper tells whether arrays and objects of a JSON text nest deeper than most. It looks at brackets alone and does not recurse, so that it
// can be asked before a parser is, about a text that may be none.
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

// Printable tells whether s is at most max bytes of text that shows, or empty.
func Printable(s string, max int) bool {
	return len(s) <= max && utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
}

// Ended tells whether something that lasts until at (zero: for ever) is over.
func Ended(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// Earlier gives the first of two ends, where zero is never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// CheckName refuses a name that people could not tell from another, or that would break a line of a log: it is 1 to 100
// printable characters, single spaces inside among them.
func CheckName(pointer, name string) error {
	switch {
	case name == "":
		return Refused(pointer, "invalid_name", "a name is required")
	case !utf8.ValidString(name):
		return Refused(pointer, "invalid_name", "the name is not valid UTF-8")
	case utf8.RuneCountInString(name) > 100:
		return Refused(pointer, "invalid_name", "the name is longer than 100 characters")
	case strings.TrimSpace(name) != name || strings.Contains(name, "  "):
		return Refused(pointer, "invalid_name", "the name begins or ends with a space, or holds two in a row")
	}
	for _, c := range name {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return Refused(pointer, "invalid_name", "the name holds a character that does not show")
		}
	}
	return nil
}

const MaxOverlap = 7 * 24 * time.Hour // how long a replaced secret or URL may go on working

func CheckOverlap(d time.Duration) error {
	if d < 0 || d > MaxOverlap {
		return Refused("/overlap_seconds", "invalid_overlap", "the overlap must be 0 to 604800 seconds")
	}
	return nil
}
