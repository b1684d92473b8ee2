package hidden

import (
	"slices"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// Hidden says which fields of payloads somebody is not shown. Equal ones are equal values, whatever order they were made in, so that
// what is worked out for one holds for everybody who has the same. "" hides nothing.
type Hidden string

// Field is a member of payloads, with all that is in it.
type Field struct {
	Channel string // a pattern, see ValidChannelPattern
	Path    string // members' names from the outermost on, joined by dots, see ValidPath. Arrays on the way are gone through
}

// Bounds of a field's path.
const (
	maxFieldPath = 200 // bytes
	maxFieldName = 64
	maxFieldDeep = 16
)

// New makes a Hidden of valid fields.
func New(fields ...Field) Hidden {
	lines := make([]string, 0, len(fields))
	for _, f := range fields {
		lines = append(lines, f.Channel+" "+f.Path)
	}
	slices.Sort(lines)
	return Hidden(strings.Join(slices.Compact(lines), "\n"))
}

// Fields lists what h hides in the channel, each path once and in order.
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

// withheld is the payload in the place of one in which fields cannot be found, and so cannot be hidden.
const withheld = `{"withheld":true}`

// View returns e as whoever h is for may see it: e itself where it holds nothing hidden, else an event of its own with another
// payload, and without the provider's headers: a signature of the whole payload could tell whether a guess at the rest is right. A payload that is no JSON in UTF-8 is withheld as a whole, and {"withheld":true} stands in its place: what cannot be
// taken apart cannot be shown in part. JSON that has no members (a number, a text) hides nothing.
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

// ValidPath tells whether path can name a field: 1 to 16 names of 1 to 64 of A-Z a-z 0-9 _ - $ @, joined by dots, 200 bytes in
// all. A member of another name is hidden with the member that it is in.
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
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("_-$@", c) < 0 {
				return false
			}
		}
	}
	return true
}
