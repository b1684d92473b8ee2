package tenants

import "strings"

const maxType = 128

// ValidType refuses what cannot be an event's type. A type is 1 to 128 characters of [A-Za-z0-9._:/-]: it stands in an SSE
// event line, in a CloudEvents attribute and in a listener's name. Else: Unprocessable invalid_type. The names that
// EventSource and Hookcast itself use (error, open, message, hookcast.…): Unprocessable reserved_type.
func ValidType(name string) error {
	if name == "" || len(name) > maxType {
		return refused("/type", "invalid_type", "the type must be 1 to 128 characters")
	}
	for i := range len(name) {
		if !typeChar(name[i]) {
			return refused("/type", "invalid_type", "the type may hold letters, digits and . _ : / - only")
		}
	}
	if reservedType(name) {
		return refused("/type", "reserved_type", "error, open, message and names that begin with hookcast. are taken")
	}
	return nil
}

func reservedType(name string) bool {
	return name == "error" || name == "open" || name == "message" || strings.HasPrefix(name, "hookcast.")
}

func typeChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._:/-", c) >= 0
}

// typeOf makes a valid type of what a provider calls its event: "_" stands for each character that a type cannot have, and
// "webhook." goes before a reserved name. A provider that names no type: "webhook".
func typeOf(name string) string {
	if name == "" {
		return "webhook"
	}
	if reservedType(name) {
		name = "webhook." + name
	}
	var b strings.Builder
	for _, c := range name {
		if b.Len() == maxType {
			break
		}
		if c < 0x80 && typeChar(byte(c)) {
			b.WriteByte(byte(c))
		} else {
			b.WriteByte('_')
		}
	}
	return b.String()
}
