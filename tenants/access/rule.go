package access

import (
	"strconv"
	"strings"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// Rule is one row of a tenant's policy: a right of the subject (Object, Action, Effect), a role granted to it (Role),
// or a field hidden from it (Object "field:…").
type Rule struct {
	Subject string // "role:editor" or "user:alice"
	Role    string // granted role: "role:editor"; else ""
	Object  string // "channel:orders.42", "channel:orders.*", "source:*", "field:customer.email"
	Action  string
	Effect  string
	Channel string // with a field: the channels it applies to, "orders.*"; "" for all
}

// The effects of a right. A denial overrides every permission.
const (
	Allow = "allow"
	Deny  = "deny"
)

// Upper bounds of a tenant's policy.
const (
	MaxRules = 1_000
	MaxBytes = 64 << 10 // total length of all fields
	// MaxFields is the number of rows that hide fields. Each is looked up in every payload that is shown to its role.
	MaxFields = 100
	maxField  = 256
	maxWrong  = 20 // errors in one answer
)

const (
	rolePrefix = "role:"
	userPrefix = "user:"
	fieldKind  = "field:"
)

// Check refuses a policy that is too large or has a row outside the grammar. The error is Unprocessable, and names
// each such row and field (the first 20).
//
//	subject  "role:" name | "user:" 1 to 128 of A-Z a-z 0-9 . _ : @ | / + = -
//	role     "role:" name, with name not owner, admin, operator or signer: those come with an API key alone
//	name     a-z, then up to 63 of a-z 0-9 _ -
//	object   "channel:" (a channel's name, or its first segments and ".*", or "*")
//	         | ("source:" | "event:" | "connection:" | "proxy:") (an id, or "*") | "channels" | "token"
//	         | "field:" (a path, see tenants.ValidFieldPath)
//	action   read | write | publish | subscribe | manage
//	effect   allow | deny
//	channel  as after "channel:"
//
// A row that hides a field has a role as its subject, the action read and the effect deny; only such a row may have a
// channel. Rows must not repeat.
//
// Rows cannot give or take anything else: a tenant cannot lock its owners out of its policy, nor let a token create
// keys.
func Check(rules []Rule) error {
	if len(rules) > MaxRules {
		return refused(tenants.FieldError{Pointer: "/rows", Detail: "the policy must have at most 1000 rows"})
	}
	var wrong []tenants.FieldError
	size, fields, first := 0, 0, make(map[Rule]int)
	for i, r := range rules {
		at := "/rows/" + strconv.Itoa(i)
		if field, reason := r.refuse(); reason != "" {
			if len(wrong) < maxWrong {
				wrong = append(wrong, tenants.FieldError{Pointer: at + field, Detail: reason})
			}
		} else if earlier, repeated := first[r]; repeated {
			if len(wrong) < maxWrong {
				wrong = append(wrong, tenants.FieldError{Pointer: at,
					Detail: "the row must differ from row " + strconv.Itoa(earlier)})
			}
		} else {
			first[r] = i
		}
		if strings.HasPrefix(r.Object, fieldKind) {
			fields++
		}
		size += len(r.Subject) + len(r.Role) + len(r.Object) + len(r.Action) + len(r.Effect) + len(r.Channel)
	}
	switch {
	case size > MaxBytes:
		return refused(tenants.FieldError{Pointer: "/rows", Detail: "the policy must have at most 64 KiB"})
	case fields > MaxFields:
		return refused(tenants.FieldError{Pointer: "/rows",
			Detail: "the policy must have at most 100 rows that hide fields"})
	case len(wrong) == 0 && !shallow(rules):
		return refused(tenants.FieldError{Pointer: "/rows",
			Detail: "roles must be granted to roles at most eight levels deep, and not in a circle"})
	}
	return refused(wrong...)
}

// maxDepth is below the limit of Casbin (10): a deeper grant would be stored but not applied.
const maxDepth = 8

// shallow reports whether no chain of grants is longer than maxDepth; a circle is endless.
func shallow(rules []Rule) bool {
	next := make(map[string][]string)
	for _, r := range rules {
		if r.Role != "" {
			next[r.Subject] = append(next[r.Subject], r.Role)
		}
	}
	depth := make(map[string]int) // longest chain from a name, once known
	deep := false                 // stop at the first deep chain; a dense graph would take forever
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

// refused returns the error about all that is wrong, or nil.
func refused(wrong ...tenants.FieldError) error {
	if len(wrong) == 0 {
		return nil
	}
	return &tenants.Error{Kind: tenants.Unprocessable, Code: "invalid_policy", Detail: wrong[0].Detail, Fields: wrong}
}

// refuse returns which field of a row is wrong and why, or "".
func (r Rule) refuse() (field, reason string) {
	for _, f := range []struct{ name, value string }{
		{"/subject", r.Subject}, {"/role", r.Role}, {"/object", r.Object}, {"/action", r.Action}, {"/effect", r.Effect},
		{"/channel", r.Channel},
	} {
		if len(f.value) > maxField {
			return f.name, "the field must have at most 256 bytes"
		}
	}
	if !validSubject(r.Subject) {
		return "/subject",
			"the subject must be user:SUBJECT or role:NAME, and the role must not be one that only API keys have"
	}
	if r.Role != "" {
		if r.Object != "" || r.Action != "" || r.Effect != "" || r.Channel != "" {
			return "", "the row must give either a role or a right"
		}
		if !validRole(r.Role) {
			return "/role", "the role must be role:NAME, and not one that only API keys have"
		}
		return "", ""
	}
	if path, ok := strings.CutPrefix(r.Object, fieldKind); ok {
		return r.refuseField(path)
	}
	switch {
	case !validObject(r.Object):
		return "/object",
			"the object must be channel:NAME, channel:PREFIX.*, channel:*, channels, token, an id or * after " +
				"source:, event:, connection: or proxy:, or field:PATH"
	case !ValidAction(r.Action):
		return "/action", "the action must be read, write, publish, subscribe or manage"
	case r.Effect != Allow && r.Effect != Deny:
		return "/effect", "the effect must be allow or deny"
	case r.Channel != "":
		return "/channel", "the channel must be left out unless the object is a field"
	}
	return "", ""
}

// refuseField is refuse for a row that hides a field.
func (r Rule) refuseField(path string) (field, reason string) {
	switch {
	case !hidden.ValidPath(path):
		return "/object",
			"the field must be 1 to 16 names joined by dots, each 1 to 64 of A-Z a-z 0-9 _ - $ @, at most 200 " +
				"bytes in all"
	case !validRole(r.Subject):
		return "/subject", "the subject must be a role if the object is a field"
	case r.Action != Read:
		return "/action", "the action must be read if the object is a field; read includes streams"
	case r.Effect != Deny:
		return "/effect", "the effect must be deny if the object is a field; other fields are shown"
	case r.Channel != "" && !tenants.ValidChannelPattern(r.Channel):
		return "/channel", "the channel must be a channel name, a prefix such as orders.*, or *"
	}
	return "", ""
}

func validSubject(s string) bool {
	name, ok := strings.CutPrefix(s, userPrefix)
	return ok && nameable(name) || validRole(s)
}

// nameable reports whether a row can name a token's subject. Other subjects have the rights of their roles only.
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
	return ok && account.ValidTokenRole(name)
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
	case "source", "event", "connection", "proxy":
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
