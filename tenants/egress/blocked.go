package egress

import "net/netip"

// block is a range of addresses that must not be reached.
type block struct {
	prefix string
	why    string // completes "the address …"
	dev    bool   // allowed with Options.AllowPrivate
}

// blocks are the ranges of the IANA special-purpose registries
// (https://www.iana.org/assignments/iana-ipv4-special-registry,
// https://www.iana.org/assignments/iana-ipv6-special-registry), multicast, and addresses that clouds reserve. The
// first range that contains an address gives the reason. IPv6 addresses outside 2000::/3, the only global unicast
// range, are refused too. An IPv4 address mapped into IPv6 (::ffff:0:0/96) is treated as the IPv4 address.
var blocks = [...]block{
	{"0.0.0.0/8", "is this host or this network (RFC 791)", false},
	{"10.0.0.0/8", "is private (RFC 1918)", true},
	{"100.64.0.0/10", "is shared behind a carrier's NAT (RFC 6598)", true},
	{"127.0.0.0/8", "is loopback (RFC 1122)", true},
	{"168.63.129.16/32", "is reserved by a cloud (Azure)", false},
	{"169.254.0.0/16", "is link-local, where clouds keep metadata and credentials (RFC 3927)", false},
	{"172.16.0.0/12", "is private (RFC 1918)", true},
	{"192.0.0.0/24", "is for protocol assignments (RFC 6890)", false},
	{"192.0.2.0/24", "is for documentation (RFC 5737)", false},
	{"192.31.196.0/24", "belongs to AS112 (RFC 7535)", false},
	{"192.52.193.0/24", "is for multicast tunnels (RFC 7450)", false},
	{"192.88.99.0/24", "is a 6to4 relay (RFC 7526)", false},
	{"192.168.0.0/16", "is private (RFC 1918)", true},
	{"192.175.48.0/24", "belongs to AS112 (RFC 7534)", false},
	{"198.18.0.0/15", "is for benchmarks (RFC 2544)", false},
	{"198.51.100.0/24", "is for documentation (RFC 5737)", false},
	{"203.0.113.0/24", "is for documentation (RFC 5737)", false},
	{"224.0.0.0/4", "is multicast (RFC 5771)", false},
	{"240.0.0.0/4", "is reserved or broadcast (RFC 1112)", false},

	{"::/128", "is unspecified (RFC 4291)", false},
	{"::1/128", "is loopback (RFC 4291)", true},
	{"::/96", "contains an IPv4 address (RFC 4291)", false},
	{"::ffff:0:0:0/96", "contains a translated IPv4 address (RFC 2765)", false},
	{"64:ff9b::/96", "contains an IPv4 address for NAT64 (RFC 6052)", false},
	{"64:ff9b:1::/48", "contains an IPv4 address for NAT64 (RFC 8215)", false},
	{"100::/64", "is for discarding (RFC 6666)", false},
	{"100:0:0:1::/64", "is a dummy prefix (RFC 9780)", false},
	{"2001::/32", "contains an IPv4 address for Teredo (RFC 4380)", false},
	{"2001:2::/48", "is for benchmarks (RFC 5180)", false},
	{"2001:db8::/32", "is for documentation (RFC 3849)", false},
	{"2001::/23", "is for protocol assignments (RFC 2928)", false},
	{"2002::/16", "contains an IPv4 address for 6to4 (RFC 3056)", false},
	{"2620:4f:8000::/48", "belongs to AS112 (RFC 7534)", false},
	{"3fff::/20", "is for documentation (RFC 9637)", false},
	{"5f00::/16", "is for segment routing (RFC 9602)", false},
	{"fd00:ec2::/32", "is for metadata and credentials of EC2", false},
	{"fc00::/7", "is unique local (RFC 4193)", true},
	{"fe80::/10", "is link-local (RFC 4291)", false},
	{"fec0::/10", "is site-local (RFC 3879)", false},
	{"ff00::/8", "is multicast (RFC 4291)", false},
}

// policy decides which addresses may be reached.
type policy struct {
	rules        []rule
	allowPrivate bool
}

type rule struct {
	prefix netip.Prefix
	block
}

func newPolicy(allowPrivate bool) policy {
	p := policy{allowPrivate: allowPrivate}
	for _, b := range blocks {
		p.rules = append(p.rules, rule{netip.MustParsePrefix(b.prefix), b})
	}
	p.rules = append(p.rules, rule{netip.MustParsePrefix("2000::/3"), block{dev: true}}) // IPv6 global unicast
	return p
}

// refuse returns why an address must not be reached, as a completion of "the address …", or "".
func (p policy) refuse(a netip.Addr) (why string) {
	if !a.IsValid() {
		return "is invalid"
	}
	if a.Zone() != "" {
		return "has a zone"
	}
	a = a.Unmap()
	for _, r := range p.rules {
		if r.prefix.Contains(a) {
			if r.dev && p.allowPrivate {
				return ""
			}
			return r.why
		}
	}
	if a.Is6() {
		return "is not global unicast (RFC 4291)"
	}
	return ""
}
