package hidden

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// branch is a set of paths as a tree. A nil branch ends a path: that member is hidden, with everything in it.
type branch map[string]branch

func newBranch(paths []string) branch {
	root := make(branch)
	for _, path := range paths {
		at, names := root, strings.Split(path, ".")
		for i, name := range names {
			next, known := at[name]
			switch {
			case known && next == nil: // a shorter path hides it already
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

// under returns the paths below the member of that name, and whether the member itself is hidden. A name with dots
// counts as a path of names, since flattened payloads write nested members so.
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

// prune returns data without the members at paths, or nil if it has none of them. The rest keeps its bytes and its
// order, except for white space around members of the objects on a path. ok is false if data is not valid JSON in
// UTF-8, or nests more deeply than encoding/json allows.
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

// pruner reads valid JSON once and copies it without the hidden members. If a name occurs twice in an object, it
// treats both members alike, since readers differ in which one they take.
type pruner struct {
	src     []byte
	at      int
	dst     []byte
	removed bool
}

// value copies the value at p.at without the members that b hides. An empty b hides nothing.
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

// inside calls each at the start of every member or element, which must advance past it. It advances past both
// brackets.
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

// skip returns the index after the value that begins at src[i], in valid JSON.
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

// unquoted decodes a JSON string, in quotes and possibly with escapes.
func unquoted(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		panic("hidden: a string of valid JSON must decode: " + err.Error())
	}
	return s
}
