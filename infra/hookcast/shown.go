package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shown gives text as a terminal may have it: what does not print stands there by its number, so that nothing in an event can move the
// cursor, change colours, or write into the window's title.
func shown(text string) string {
	if !strings.ContainsFunc(text, hides) {
		return text
	}
	var b strings.Builder
	for _, c := range text {
		if hides(c) {
			fmt.Fprintf(&b, "<U+%04X>", c)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

func hides(c rune) bool { return c == utf8.RuneError || !unicode.IsPrint(c) }
