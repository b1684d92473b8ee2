package tenants

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
