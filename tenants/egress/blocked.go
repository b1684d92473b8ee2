package egress

import "net/netip"

// block is a range of addresses that nobody may be sent to.
type block struct {
	prefix string
	why    string // completes "the address …"
	dev    bool   // reachable where Options.AllowPrivate
}

// blocks are the ranges of the IANA special-purpose registries
// (https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry), multicast, and
// what clouds keep for themselves. The first that holds an address gives the reason. Of IPv6 everything outside 2000::/3 is
// refused besides: nothing else is global unicast. An IPv4 address that is mapped into IPv6 (::ffff:0:0/96) is judged as what it is.
var blocks = [...]block{
	{"0.0.0.0/8", "means this host or this network (RFC 791)", false},
	{"10.0.0.0/8", "is private (RFC 1918)", true},
	{"100.64.0.0/10", "is shared behind a carrier's NAT (RFC 6598)", true},
	{"127.0.0.0/8", "is loopback (RFC 1122)", true},
	{"168.63.129.16/32", "is a cloud's own (Azure)", false},
	{"169.254.0.0/16", "is link-local, where clouds keep metadata and credentials (RFC 3927)", false},
	{"172.16.0.0/12", "is private (RFC 1918)", true},
	{"192.0.0.0/24", "is for protocol assignments (RFC 6890)", false},
	{"192.0.2.0/24", "is for documentation (RFC 5737)", false},
	{"192.31.196.0/24", "is AS112's (RFC 7535)", false},
	{"192.52.193.0/24", "is for multicast tunnels (RFC 7450)", false},
	{"192.88.99.0/24", "is a 6to4 relay (RFC 7526)", false},
	{"192.168.0.0/16", "is private (RFC 1918)", true},
	{"192.175.48.0/24", "is AS112's (RFC 7534)", false},
	{"198.18.0.0/15", "is for benchmarks (RFC 2544)", false},
	{"198.51.100.0/24", "is for documentation (RFC 5737)", false},
	{"203.0.113.0/24", "is for documentation (RFC 5737)", false},
	{"224.0.0.0/4", "is multicast (RFC 5771)", false},
	{"240.0.0.0/4", "is reserved or broadcast (RFC 1112)", false},

	{"::/128", "is unspecified (RFC 4291)", false},
	{"::1/128", "is loopback (RFC 4291)", true},
	{"::/96", "is an IPv4 address in disguise (RFC 4291)", false},
	{"::ffff:0:0:0/96", "is an IPv4 address in translation (RFC 2765)", false},
	{"64:ff9b::/96", "is an IPv4 address behind NAT64 (RFC 6052)", false},
	{"64:ff9b:1::/48", "is an IPv4 address behind NAT64 (RFC 8215)", false},
	{"100::/64", "is discarded (RFC 6666)", false},
	{"100:0:0:1::/64", "is a dummy (RFC 9780)", false},
	{"2001::/32", "is an IPv4 address behind Teredo (RFC 4380)", false},
	{"2001:2::/48", "is for benchmarks (RFC 5180)", false},
	{"2001:db8::/32", "is for documentation (RFC 3849)", false},
	{"2001::/23", "is for protocol assignments (RFC 2928)", false},
	{"2002::/16", "is an IPv4 address in 6to4 (RFC 3056)", false},
	{"2620:4f:8000::/48", "is AS112's (RFC 7534)", false},
	{"3fff::/20", "is for documentation (RFC 9637)", false},
	{"5f00::/16", "is a segment's (RFC 9602)", false},
	{"fd00:ec2::/32", "is where EC2 keeps metadata and credentials", false},
	{"fc00::/7", "is unique local (RFC 4193)", true},
	{"fe80::/10", "is link-local (RFC 4291)", false},
	{"fec0::/10", "is site-local (RFC 3879)", false},
	{"ff00::/8", "is multicast (RFC 4291)", false},
}

// judge says why nothing may be sent to an address, "" where it may.
type judge struct {
	rules        []rule
	allowPrivate bool
}

type rule struct {
	prefix netip.Prefix
	block
}

func newJudge(allowPrivate bool) judge {
	j := judge{allowPrivate: allowPrivate}
	for _, b := range blocks {
		j.rules = append(j.rules, rule{netip.MustParsePrefix(b.prefix), b})
	}
	j.rules = append(j.rules, rule{netip.MustParsePrefix("2000::/3"), block{dev: true}}) // the global unicast of IPv6
	return j
}

func (j judge) refuse(a netip.Addr) (why string) {
	if !a.IsValid() {
		return "is none"
	}
	if a.Zone() != "" {
		return "has a zone"
	}
	a = a.Unmap()
	for _, r := range j.rules {
		if r.prefix.Contains(a) {
			if r.dev && j.allowPrivate {
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
