package hidden

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// branch is a set of paths as a tree. nil is the end of a path: that member is hidden with all that is in it.
type branch map[string]branch

func newBranch(paths []string) branch {
	root := make(branch)
	for _, path := range paths {
		at, names := root, strings.Split(path, ".")
		for i, name := range names {
			next, known := at[name]
			switch {
			case known && next == nil: // hidden already, from further out
			case i == len(names)-1:
				at[name] = nil
			case !known:
				next = make(branch)
				at[name] = next
			}
			if at = next; at == nil {
				break
			}
		}
	}
	return root
}

// under returns what is hidden below the member of that name; hidden: the member itself is. A name with dots in it stands for the
// members that it spells, since that is how flattened payloads write them.
func (b branch) under(name string) (below branch, hidden bool) {
	at := b
	for part := range strings.SplitSeq(name, ".") {
		next, known := at[part]
		if !known {
			return nil, false
		}
		if next == nil {
			return nil, true
		}
		at = next
	}
	return at, false
}

// prune returns data without the members at paths; nil where there are none of them. What stays keeps its bytes and its order, but for
// the white space around members of objects that were gone into. ok is false where data is no JSON in UTF-8, or nests beyond what
// encoding/json follows.
func prune(data []byte, paths []string) (pruned []byte, ok bool) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, false
	}
	p := pruner{src: data, dst: make([]byte, 0, len(data))}
	p.space()
	p.value(newBranch(paths))
	if !p.removed {
		return nil, true
	}
	return p.dst, true
}

// pruner goes through valid JSON once. Every member of a name that is given twice is looked at, whichever a reader would believe.
type pruner struct {
	src     []byte
	at      int
	dst     []byte
	removed bool
}

// value copies the value that begins here without what b hides. b is empty where it hides nothing.
func (p *pruner) value(b branch) {
	if len(b) == 0 {
		p.copy()
		return
	}
	switch p.src[p.at] {
	case '{':
		p.members(b)
	case '[':
		p.elements(b)
	default:
		p.copy()
	}
}

func (p *pruner) members(b branch) {
	p.dst = append(p.dst, '{')
	first := true
	p.inside('}', func() {
		name := p.src[p.at:skip(p.src, p.at)]
		p.at += len(name)
		p.space()
		p.at++ // the colon
		p.space()
		below, hidden := b.under(unquoted(name))
		if hidden {
			p.removed = true
			p.at = skip(p.src, p.at)
			return
		}
		if !first {
			p.dst = append(p.dst, ',')
		}
		first = false
		p.dst = append(append(p.dst, name...), ':')
		p.value(below)
	})
	p.dst = append(p.dst, '}')
}

func (p *pruner) elements(b branch) {
	p.dst = append(p.dst, '[')
	first := true
	p.inside(']', func() {
		if !first {
			p.dst = append(p.dst, ',')
		}
		first = false
		p.value(b)
	})
	p.dst = append(p.dst, ']')
}

// inside calls each at the beginning of every member or element, to go behind it, and goes behind the closing bracket itself.
func (p *pruner) inside(end byte, each func()) {
	p.at++ // the opening bracket
	for p.space(); p.src[p.at] != end; p.space() {
		if p.src[p.at] == ',' {
			p.at++
			continue
		}
		each()
	}
	p.at++
}

func (p *pruner) copy() {
	end := skip(p.src, p.at)
	p.dst = append(p.dst, p.src[p.at:end]...)
	p.at = end
}

func (p *pruner) space() {
	for p.at < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.at]) >= 0 {
		p.at++
	}
}

// skip returns where the value of valid JSON ends that begins at i.
func skip(src []byte, i int) int {
	depth := 0
	for i < len(src) {
		switch src[i] {
		case '"':
			for i++; src[i] != '"'; i++ {
				if src[i] == '\\' {
					i++
				}
			}
			i++
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\r', '\n':
			i++
			continue
		default: // a number, true, false, null
			for i < len(src) && strings.IndexByte(",:]} \t\r\n", src[i]) < 0 {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
	return i
}

// unquoted decodes a string of valid JSON, however its characters are written.
func unquoted(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		panic("tenants: a string of valid JSON decodes: " + err.Error())
	}
	return s
}
