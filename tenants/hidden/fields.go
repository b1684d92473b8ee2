package hidden

import (
	"slices"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// Hidden is a set of fields of payloads that a reader must not see. Equal sets are equal strings, in whatever order
// they were made, so it can be a map key. "" hides nothing.
type Hidden string

// Field is a member of payloads, with everything in it.
type Field struct {
	Channel string // a pattern, see tenants.ValidChannelPattern
	Path    string // the names of members from the outermost in, joined by dots, see ValidPath; it leads through arrays
}

// Bounds of a field's path.
const (
	maxFieldPath = 200 // bytes
	maxFieldName = 64
	maxFieldDeep = 16 // names
)

// New returns the Hidden of fields, which must be valid.
func New(fields ...Field) Hidden {
	lines := make([]string, 0, len(fields))
	for _, f := range fields {
		lines = append(lines, f.Channel+" "+f.Path)
	}
	slices.Sort(lines)
	return Hidden(strings.Join(slices.Compact(lines), "\n"))
}

// Fields returns the paths that h hides in the channel, sorted and without duplicates.
func (h Hidden) Fields(channel string) []string {
	if h == "" {
		return nil
	}
	var paths []string
	for line := range strings.SplitSeq(string(h), "\n") {
		if pattern, path, ok := strings.Cut(line, " "); ok && tenants.ChannelMatches(pattern, channel) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// withheld replaces a payload in which hidden fields cannot be found for certain.
const withheld = `{"withheld":true}`

// View returns e without the fields that h hides: e itself if it has none of them, else a copy with another payload.
// The copy lacks the provider's headers, since a signature of the whole payload would confirm a guess at a hidden
// field.
//
// A payload that is not valid JSON in UTF-8 is replaced by {"withheld":true}. JSON without members, such as a number
// or a string, has nothing to hide.
func (h Hidden) View(e *tenants.Event) *tenants.Event {
	paths := h.Fields(e.Channel)
	if len(paths) == 0 || len(e.Data) == 0 {
		return e
	}
	seen := *e
	data, ok := prune(e.Data, paths)
	switch {
	case !ok:
		seen.Data, seen.ContentType = []byte(withheld), "application/json"
	case data == nil:
		return e
	default:
		seen.Data = data
	}
	if e.Provenance.HeaderBytes() > 0 {
		p := *e.Provenance
		p.Headers, seen.Provenance = nil, &p
	}
	return &seen
}

// ValidPath reports whether path can name a field: 1 to 16 names, joined by dots, of 1 to 64 characters of A-Z a-z
// 0-9 _ - $ @ each, at most 200 bytes in all. A member with another name can be hidden only with the member that
// holds it.
func ValidPath(path string) bool {
	if len(path) > maxFieldPath || strings.Count(path, ".") >= maxFieldDeep {
		return false
	}
	for name := range strings.SplitSeq(path, ".") {
		if name == "" || len(name) > maxFieldName {
			return false
		}
		for i := range len(name) {
			c := name[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
				strings.IndexByte("_-$@", c) < 0 {
				return false
			}
		}
	}
	return true
}
