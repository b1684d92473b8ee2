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

// CheckURL returns the URL in normal form: scheme and host in lower case, no trailing dot, no default port, a path. A
// URL that must not be used is Unprocessable invalid_url, with the reason. A name is resolved too, which detects
// mistakes but protects nothing, because the answer can change later. A name without addresses is accepted.
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
	if err == nil && !slices.ContainsFunc(addrs, e.dialer.allowed) {
		// strangers must not learn the addresses
		return "",
			refuse("the host must have an address that may be reached: it has only private or reserved addresses")
	}
	return t.url.String(), nil
}

func refuse(why string) error {
	return &tenants.Error{Kind: tenants.Unprocessable, Code: "invalid_url", Detail: why,
		Fields: []tenants.FieldError{{Pointer: "/url", Detail: why}}}
}

// target is an acceptable URL.
type target struct {
	url  *url.URL
	host string     // without port, in normal form
	addr netip.Addr // valid if the host is an address
}

// parse checks the URL itself, without resolving its host.
func (e *Egress) parse(raw string) (t target, why string) {
	if len(raw) > maxURL {
		return t, "the URL must have at most 2048 bytes"
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c == 0x7f || c == '\\' {
			return t, "the URL must not contain a space, a control character or a backslash"
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return t, "the URL is malformed"
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !e.o.AllowPrivate):
		return t, "the URL must begin with https://"
	case u.Opaque != "" || u.Host == "":
		return t, "the URL must have a host"
	case u.User != nil:
		return t, "the URL must not contain a user name or a password; use a header"
	case strings.Contains(raw, "#"):
		return t, "the URL must not contain a fragment, which would not be sent"
	}
	if t.host, t.addr, why = hostOf(u.Hostname()); why != "" {
		return t, why
	}
	port, why := e.portOf(u)
	if why != "" {
		return t, why
	}
	if t.addr.IsValid() {
		if why := e.dialer.policy.refuse(t.addr); why != "" {
			return t, "the address " + why
		}
	} else if why := e.refuseName(t.host); why != "" {
		return t, why
	}
	if e.isOwn(t.host, port) {
		return t, "the host must not be one of Hookcast's own: events would circulate"
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

// hostOf returns the host as a name in lower case or as an address. It refuses every other notation of an address.
func hostOf(host string) (string, netip.Addr, string) {
	none := netip.Addr{}
	for i := range len(host) {
		switch c := host[i]; {
		case c >= 0x80:
			return "", none, "the host must be ASCII; write other scripts in punycode (xn--…)"
		case c == '%':
			return "", none, "the host must not contain a %"
		}
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.String(), addr, ""
	}
	if host == "" || len(host) > 253 {
		return "", none, "the host must have 1 to 253 characters"
	}
	last := host
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", none, "each part of the host must have 1 to 63 characters, and no hyphen at either end"
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", none, "the host must consist of letters, digits, hyphens and dots"
			}
		}
		last = label
	}
	// Many resolvers take a name that ends in a number as an address
	// (https://url.spec.whatwg.org/#ends-in-a-number-checker): 2130706433, 0x7f.1, 017700000001.
	if _, err := strconv.ParseUint(last, 10, 64); err == nil || strings.Trim(last, "0123456789") == "" {
		return "", none, "an IPv4 address must be four decimal numbers joined by dots"
	}
	if rest, hex := strings.CutPrefix(last, "0x"); hex && strings.Trim(rest, "0123456789abcdef") == "" {
		return "", none, "an IPv4 address must be four decimal numbers joined by dots"
	}
	return host, none, ""
}

// internalSuffixes end names that do not exist on the public Internet (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC
// 9476, ICANN on .internal, and common names of internal networks).
var internalSuffixes = [...]string{"localhost", "local", "internal", "intranet", "private", "corp", "home", "lan",
	"localdomain", "home.arpa", "in-addr.arpa", "ip6.arpa", "onion", "alt", "invalid"}

func (e *Egress) refuseName(host string) string {
	if e.o.AllowPrivate {
		return ""
	}
	if !strings.Contains(host, ".") && host != "localhost" {
		return "the host must be a full name that contains a dot"
	}
	for _, end := range internalSuffixes {
		if host == end || strings.HasSuffix(host, "."+end) {
			return "the host must be on the public Internet: names that end in " + end + " are not"
		}
	}
	return ""
}

// badPorts are ports above 1023 of stores, and of protocols that an HTTP request can imitate
// (https://fetch.spec.whatwg.org/#port-blocking).
var badPorts = [...]int{1719, 1720, 1723, 2049, 3306, 3659, 4045, 4190, 5060, 5061, 5432, 6000, 6379, 6566,
	6665, 6666, 6667, 6668, 6669, 6679, 6697, 9200, 10080, 11211, 27017}

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
		return 0, "the port must be a number from 1 to 65535"
	}
	if !e.o.AllowPrivate && port != 443 && (port < 1024 || slices.Contains(badPorts[:], int(port))) {
		return 0, "the port must be 443, or one above 1023 that no other protocol uses"
	}
	return int(port), ""
}

func (e *Egress) isOwn(host string, port int) bool {
	for _, own := range e.o.OwnHosts {
		own = strings.TrimSuffix(strings.ToLower(own), ".")
		if own == host || own == net.JoinHostPort(host, strconv.Itoa(port)) {
			return true
		}
	}
	return false
}
