package tenants

import "strings"

// MaxChannels is how many channels one connection may ask for.
const MaxChannels = 50

const maxChannelName = 200

// ValidChannel tells whether name can name a channel: segments of [a-z0-9_-] (1 to 64 each) joined by dots, 200 bytes in all.
// Names are compared byte for byte; there is no folding, so "Orders" is refused rather than taken for "orders".
func ValidChannel(name string) bool {
	if len(name) > maxChannelName {
		return false
	}
	for seg := range strings.SplitSeq(name, ".") {
		if len(seg) == 0 || len(seg) > 64 {
			return false
		}
		for i := range len(seg) {
			c := seg[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
				return false
			}
		}
	}
	return true
}

// NoticesChannel is where a tenant is told about its own account: see Notices.
const NoticesChannel = ownChannels + "notices"

const ownChannels = "hookcast."

// proxyChannels are those that proxies' events go to where their tenants name no channel: see ProxyOf.
const proxyChannels = ownChannels + "proxy."

// ProxyOf returns the id of the proxy whose events alone the channel has; "*" with one of a run that no proxy is kept for.
func ProxyOf(channel string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(channel, proxyChannels)
	if id, _, _ = strings.Cut(rest, "."); !ValidID(PrefixProxy, id) {
		id = "*"
	}
	return id, ok
}

// Metered tells whether a channel, and its events, count against the tenant's limits: all but what Hookcast itself has to say.
func Metered(name string) bool {
	return !ReservedChannel(name) || strings.HasPrefix(name, proxyChannels)
}

// ReservedChannel tells whether the channel is Hookcast's own to publish to.
func ReservedChannel(name string) bool { return strings.HasPrefix(name, ownChannels) }

// CountsAsChannel tells whether the channel counts against the limit of channels: jobs have one of their own.
func CountsAsChannel(name string) bool { return Metered(name) && !ownJobChannel(name) }

// MadeChannel tells whether the channel was made by Hookcast: a reserved one, or one that a job got with its id. Nobody else publishes to it.
func MadeChannel(name string) bool { return ReservedChannel(name) || ownJobChannel(name) }

const madeChannel = "channels that begin with hookcast., and those of jobs, are Hookcast's own to publish to"

func errReservedChannel(pointer string) error {
	return refused(pointer, "reserved_channel", madeChannel)
}

// ValidChannelPattern tells whether p is a channel's name, or "*", or a name's first segments and ".*".
func ValidChannelPattern(p string) bool {
	if p == "*" {
		return true
	}
	return ValidChannel(strings.TrimSuffix(p, ".*"))
}

// ChannelMatches tells whether the pattern p covers the channel name: "*" all, "a.b.*" what begins with "a.b.", else that name alone.
func ChannelMatches(p, name string) bool {
	if p == "*" {
		return true
	}
	if prefix, ok := strings.CutSuffix(p, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return p == name
}
