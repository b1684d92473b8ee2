package access

import (
	"strconv"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// Rule is one row of a tenant's policy: either a right (Object, Action, Effect) of the subject, or a role (Role) that the
// subject has besides its own.
type Rule struct {
	Subject string // "role:editor" or "user:alice"
	Role    string // "role:editor"; "" with a right
	Object  string // "channel:orders.42", "channel:orders.*", "source:*"
	Action  string
	Effect  string
}

// Effects of a right. A denial beats every permission.
const (
	Allow = "allow"
	Deny  = "deny"
)

// Bounds of a tenant's policy.
const (
	MaxRules = 1_000
	MaxBytes = 64 << 10 // of all fields together
	maxField = 256
)

const (
	rolePrefix = "role:"
	userPrefix = "user:"
)

// Check refuses a policy that is too large or has a row outside the grammar: Unprocessable, with the row's place.
//
//	subject  "role:" name | "user:" 1 to 128 of A-Z a-z 0-9 . _ : @ | / + = -
//	role     "role:" name, with name not owner, admin, operator or signer: those come with an API key alone
//	name     a-z, then up to 63 of a-z 0-9 _ -
//	object   "channel:" (a channel's name, or its first segments and ".*", or "*")
//	         | ("source:" | "event:" | "connection:") (an id, or "*") | "channels" | "token"
//	action   read | write | publish | subscribe | manage
//	effect   allow | deny
//
// What is not in it cannot be given or taken by rows: a tenant cannot lock its owners out of its policy, nor let a token
// make keys.
func Check(rules []Rule) error {
	if len(rules) > MaxRules {
		return refused("", "a policy has at most 1000 rows")
	}
	size := 0
	for i, r := range rules {
		if reason := r.refuse(); reason != "" {
			return refused("/"+strconv.Itoa(i), reason)
		}
		if size += len(r.Subject) + len(r.Role) + len(r.Object) + len(r.Action) + len(r.Effect); size > MaxBytes {
			return refused("", "a policy has at most 64 KiB")
		}
	}
	if !shallow(rules) {
		return refused("", "roles may be given to roles at most eight times over, and not in a circle")
	}
	return nil
}

// maxDepth is less than what Casbin follows (10): a grant beyond that would hold in the rows and not in decisions.
const maxDepth = 8

// shallow tells whether no chain of grants is longer than maxDepth; a circle is endless.
func shallow(rules []Rule) bool {
	next := make(map[string][]string)
	for _, r := range rules {
		if r.Role != "" {
			next[r.Subject] = append(next[r.Subject], r.Role)
		}
	}
	depth := make(map[string]int) // of the longest chain from there, once known
	deep := false                 // found: nothing else matters then, or a tangle would take for ever
	var measure func(name string, above int) int
	measure = func(name string, above int) int {
		d, known := depth[name]
		if above+d > maxDepth {
			deep = true
		}
		if known || deep {
			return d
		}
		for _, role := range next[name] {
			d = max(d, 1+measure(role, above+1))
			if deep {
				return d
			}
		}
		depth[name] = d
		return d
	}
	for name := range next {
		measure(name, 0)
	}
	return !deep
}

func refused(pointer, detail string) error {
	return &tenants.Error{
		Kind: tenants.Unprocessable, Code: "invalid_policy", Detail: detail, Fields: []tenants.FieldError{{Pointer: pointer, Detail: detail}},
	}
}

// refuse says what is wrong with a row, or "".
func (r Rule) refuse() string {
	for _, f := range []string{r.Subject, r.Role, r.Object, r.Action, r.Effect} {
		if len(f) > maxField {
			return "a field is longer than 256 bytes"
		}
	}
	if !validSubject(r.Subject) {
		return "the subject must be role:NAME, but no role of an API key's own, or user:SUBJECT"
	}
	if r.Role != "" {
		if r.Object != "" || r.Action != "" || r.Effect != "" {
			return "a row gives either a role or a right"
		}
		if !validRole(r.Role) {
			return "the role must be role:NAME, but no role of an API key's own"
		}
		return ""
	}
	switch {
	case !validObject(r.Object):
		return "the object must be channel:NAME, channel:PREFIX.*, channel:*, channels, token, or an id or * after source:, event: or connection:"
	case !validAction(r.Action):
		return "the action must be read, write, publish, subscribe or manage"
	case r.Effect != Allow && r.Effect != Deny:
		return "the effect must be allow or deny"
	}
	return ""
}

func validSubject(s string) bool {
	name, ok := strings.CutPrefix(s, userPrefix)
	return ok && nameable(name) || validRole(s)
}

// nameable tells whether a row can name a token's subject. Others have their roles' rights alone.
func nameable(subject string) bool {
	if subject == "" || len(subject) > 128 {
		return false
	}
	for i := range len(subject) {
		if c := subject[i]; !alphanumeric(c) && strings.IndexByte("._:@|/+=-", c) < 0 {
			return false
		}
	}
	return true
}

func validRole(s string) bool {
	name, ok := strings.CutPrefix(s, rolePrefix)
	return ok && tenants.ValidTokenRole(name)
}

func validObject(s string) bool {
	if s == Channels || s == Token {
		return true
	}
	kind, name, ok := strings.Cut(s, ":")
	if !ok {
		return false
	}
	switch kind {
	case "channel":
		return tenants.ValidChannelPattern(name)
	case "source", "event", "connection":
		return name == "*" || validID(name)
	}
	return false
}

func validID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '_' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
