package signing

import (
	"strconv"
	"strings"
)

// headerPart begins the part of a template that is a header's value.
const headerPart = "{header:"

// MaxCarried bounds what Carried gives: names and values together, in bytes.
const MaxCarried = 4096

// Carried gives those headers of a verified request that the scheme itself names, so that somebody to whom the webhook is handed on can verify
// it again with the provider's own library: signatures, timestamp, what the signature covers, the certificate's address, id, type and
// attempt, in this order of importance; what does not fit into MaxCarried is left out. nil where there are none.
//
// A token is never among them, for it is the secret itself; nor a plain hash, which could be hashed on; nor a header that carries credentials or
// describes the body, whatever a tenant's own terms name it for. decoded says that the body that is handed on is not the one that came, but
// what its Content-Encoding made of it: no signature covers that, and so none is carried.
func (s Scheme) Carried(r Request, decoded bool) map[string]string {
	var carried map[string]string
	left := MaxCarried
	for _, name := range s.carriedNames(decoded) {
		values := r.values(name)
		if len(values) != 1 || !printable(values[0]) || len(name)+len(values[0]) > left || s.withholds(name) {
			continue
		}
		if _, there := carried[name]; there {
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

// carriedNames lists what Carried looks for, the most important first, and some names more than once.
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

// withholds says whether a header is none to keep, whatever else it is named for.
func (s Scheme) withholds(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Content-Type", "Content-Encoding", "Content-Length":
		return true
	}
	for _, m := range [...]Mark{s.Mark, s.Also.Mark, s.Legacy[0], s.Legacy[1]} {
		if m.Header == name && (m.Algorithm == Token || m.Algorithm == PlainSHA256) {
			return true
		}
	}
	return false
}
