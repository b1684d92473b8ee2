package signing

import (
	"strconv"
	"strings"
)

// headerPart begins the part of a template that stands for a header's value.
const headerPart = "{header:"

// MaxCarried is the upper bound of the result of [Scheme.Carried]: names and values together, in bytes.
const MaxCarried = 4096

// Carried returns the headers of a verified request that a third party needs to verify it again with the provider's
// own library: signatures, timestamp, signed headers, certificate address, id, type and attempt, in this order of
// importance. Headers that do not fit into [MaxCarried] are left out. The result is nil if there are none.
//
// It never holds a token, which is the secret itself, nor a plain hash, which is open to length extension, nor a
// header that carries credentials or describes the body, even if a tenant's own terms name it. decoded says that the
// body to be handed on is the result of decoding its Content-Encoding: no signature covers that, so none is returned.
func (s Scheme) Carried(r Request, decoded bool) map[string]string {
	var carried map[string]string
	left := MaxCarried
	for _, name := range s.carriedNames(decoded) {
		values := r.values(name)
		if len(values) != 1 || !printable(values[0]) || len(name)+len(values[0]) > left || s.withholds(name) {
			continue
		}
		if _, seen := carried[name]; seen {
			continue
		}
		if carried == nil {
			carried = make(map[string]string)
		}
		carried[name] = values[0]
		left -= len(name) + len(values[0])
	}
	return carried
}

// carriedNames lists the header names that Carried looks for, the most important first. Names may repeat.
func (s Scheme) carriedNames(decoded bool) []string {
	var names []string
	if !decoded {
		for _, m := range [...]Mark{s.Mark, s.Also.Mark, s.Legacy[0], s.Legacy[1]} {
			names = append(names, m.Header)
			for n := 1; n <= m.Numbered; n++ {
				names = append(names, m.Header+"-"+strconv.Itoa(n))
			}
		}
		names = append(names, s.Timestamp.Header)
		for rest, more := s.Signed, true; more; {
			if _, rest, more = strings.Cut(rest, headerPart); more {
				var name string
				name, rest, _ = strings.Cut(rest, "}")
				names = append(names, name)
			}
		}
		names = append(names, s.Certificate.Header)
	}
	for _, p := range [...]Place{s.ID[0], s.ID[1], s.Type[0], s.Type[1], s.Attempt} {
		names = append(names, p.Header)
	}
	return names
}

// withholds reports whether a header must not be carried, even if the scheme names it.
func (s Scheme) withholds(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Content-Type", "Content-Encoding",
		"Content-Length":
		return true
	}
	for _, m := range [...]Mark{s.Mark, s.Also.Mark, s.Legacy[0], s.Legacy[1]} {
		if m.Header == name && (m.Algorithm == Token || m.Algorithm == PlainSHA256) {
			return true
		}
	}
	return false
}
