package egress

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

const maxURL = 2048

// CheckURL returns the URL in its one normal form: scheme and host in lower case, no dot behind the host, no port that is the scheme's
// own, a path. What may not be posted to: Unprocessable invalid_url, with the reason. A name is looked up too, which helps whoever
// has mistaken an address, and protects nobody: it can answer otherwise later. One that has no address yet is taken.
func (e *Egress) CheckURL(ctx context.Context, raw string) (string, error) {
	t, why := e.parse(raw)
	if why != "" {
		return "", refuse(why)
	}
	if t.addr.IsValid() {
		return t.url.String(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupAtCheck)
	defer cancel()
	addrs, err := e.dialer.lookup(ctx, t.host)
	if err == nil && !slices.ContainsFunc(addrs, e.dialer.may) {
		return "", refuse("the host's addresses are none that may be posted to") // which they are is not for strangers to learn
	}
	return t.url.String(), nil
}

func refuse(why string) error {
	return &tenants.Error{Kind: tenants.Unprocessable, Code: "invalid_url", Detail: why, Fields: []tenants.FieldError{{Pointer: "/url", Detail: why}}}
}

// target is a URL that may be tried.
type target struct {
	url  *url.URL
	host string     // without port, in normal form
	addr netip.Addr // where the host is an address
}

// parse looks at what the URL says.
func (e *Egress) parse(raw string) (t target, why string) {
	if len(raw) > maxURL {
		return t, "the URL is longer than 2048 bytes"
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c == 0x7f || c == '\\' {
			return t, "the URL holds a space, a control character or a backslash"
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return t, "this is no URL"
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !e.o.AllowPrivate):
		return t, "the URL must begin with https://"
	case u.Opaque != "" || u.Host == "":
		return t, "the URL has no host"
	case u.User != nil:
		return t, "the URL must not hold a user name or password; a header can"
	case strings.Contains(raw, "#"):
		return t, "the URL must not hold a fragment, which would not be sent"
	}
	if t.host, t.addr, why = hostOf(u.Hostname()); why != "" {
		return t, why
	}
	port, why := e.portOf(u)
	if why != "" {
		return t, why
	}
	if t.addr.IsValid() {
		if why := e.dialer.judge.refuse(t.addr); why != "" {
			return t, "the address " + why
		}
	} else if why := e.refuseName(t.host); why != "" {
		return t, why
	}
	if e.own(t.host, port) {
		return t, "this host is Hookcast's own: nothing is posted in circles"
	}
	u.Host = t.host
	if t.addr.Is6() {
		u.Host = "[" + t.host + "]"
	}
	if port != portsOf[u.Scheme] {
		u.Host = net.JoinHostPort(t.host, strconv.Itoa(port))
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.ForceQuery = false
	t.url = u
	return t, ""
}

var portsOf = map[string]int{"http": 80, "https": 443}

// hostOf returns the host as a name in lower case or as an address, and refuses every other way to write an address.
func hostOf(host string) (string, netip.Addr, string) {
	none := netip.Addr{}
	for i := range len(host) {
		switch c := host[i]; {
		case c >= 0x80:
			return "", none, "the host must be written in ASCII: a name in another script in punycode (xn--…)"
		case c == '%':
			return "", none, "the host must not hold a %"
		}
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.String(), addr, ""
	}
	if host == "" || len(host) > 253 {
		return "", none, "the host is no name: it has 1 to 253 characters"
	}
	last := host
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", none, "the host is no name: each part of it has 1 to 63 characters, and no hyphen at an end"
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", none, "the host is no name: it may hold letters, digits, hyphens and dots"
			}
		}
		last = label
	}
	// What ends in a number is an address to many a resolver (https://url.spec.whatwg.org/#ends-in-a-number-checker): 2130706433, 0x7f.1, 017700000001.
	if _, err := strconv.ParseUint(last, 10, 64); err == nil || strings.Trim(last, "0123456789") == "" {
		return "", none, "an IPv4 address must be written as four numbers with dots"
	}
	if rest, hex := strings.CutPrefix(last, "0x"); hex && strings.Trim(rest, "0123456789abcdef") == "" {
		return "", none, "an IPv4 address must be written as four numbers with dots"
	}
	return host, none, ""
}

// innerNames are the ends of names that nobody on the open Internet has (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476, ICANN on
// .internal, and what inner networks call themselves).
var innerNames = [...]string{"localhost", "local", "internal", "intranet", "private", "corp", "home", "lan", "localdomain", "home.arpa", "in-addr.arpa", "ip6.arpa",
	"onion", "alt", "invalid"}

func (e *Egress) refuseName(host string) string {
	if e.o.AllowPrivate {
		return ""
	}
	if !strings.Contains(host, ".") && host != "localhost" {
		return "the host must be a full name, with a dot"
	}
	for _, end := range innerNames {
		if host == end || strings.HasSuffix(host, "."+end) {
			return "names that end in " + end + " are not on the Internet"
		}
	}
	return ""
}

// badPorts above 1023 belong to protocols that a request could be made to speak (https://fetch.spec.whatwg.org/#port-blocking), or to stores.
var badPorts = [...]int{1719, 1720, 1723, 2049, 3306, 3659, 4045, 4190, 5060, 5061, 5432, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9200, 10080,
	11211, 27017}

func (e *Egress) portOf(u *url.URL) (int, string) {
	text := u.Port()
	if text == "" {
		if strings.HasSuffix(u.Host, ":") {
			return 0, "the port is missing"
		}
		return portsOf[u.Scheme], ""
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || text[0] == '0' {
		return 0, "the port must be a number up to 65535"
	}
	if !e.o.AllowPrivate && port != 443 && (port < 1024 || slices.Contains(badPorts[:], int(port))) {
		return 0, "the port must be 443, or one above 1023 that belongs to no other protocol"
	}
	return int(port), ""
}

func (e *Egress) own(host string, port int) bool {
	for _, own := range e.o.OwnHosts {
		own = strings.TrimSuffix(strings.ToLower(own), ".")
		if own == host || own == net.JoinHostPort(host, strconv.Itoa(port)) {
			return true
		}
	}
	return false
}
