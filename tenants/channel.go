package tenants

import "strings"

// MaxChannels is how many channels one connection may ask for.
const MaxChannels = 50

const MaxChannelName = 200

// ValidChannel tells whether name can name a channel: segments of [a-z0-9_-] (1 to 64 each) joined by dots, 200 bytes in all.
// Names are compared byte for byte; there is no folding, so "Orders" is refused rather than taken for "orders".
func ValidChannel(name string) bool {
	if len(name) > MaxChannelName {
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

// ProxyChannels are those that proxies' events go to where their tenants name no channel: see ProxyOf.
const ProxyChannels = ownChannels + "proxy."

// ProxyOf returns the id of the proxy whose events alone the channel has; "*" with one of a run that no proxy is kept for.
func ProxyOf(channel string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(channel, ProxyChannels)
	if id, _, _ = strings.Cut(rest, "."); !ValidID(PrefixProxy, id) {
		id = "*"
	}
	return id, ok
}

// Metered tells whether a channel, and its events, count against the tenant's limits: all but what Hookcast itself has to say.
func Metered(name string) bool {
	return !ReservedChannel(name) || strings.HasPrefix(name, ProxyChannels)
}

// ReservedChannel tells whether the channel is Hookcast's own to publish to.
func ReservedChannel(name string) bool { return strings.HasPrefix(name, ownChannels) }

// CountsAsChannel tells whether the channel counts against the limit of channels: jobs have one of their own.
func CountsAsChannel(name string) bool { return Metered(name) && !OwnJobChannel(name) }

// MadeChannel tells whether the channel was made by Hookcast: a reserved one, or one that a job got with its id. Nobody else publishes to it.
func MadeChannel(name string) bool { return ReservedChannel(name) || OwnJobChannel(name) }

const MadeChannelDetail = "channels that begin with hookcast., and those of jobs, are Hookcast's own to publish to"

func ErrReservedChannel(pointer string) error {
	return Refused(pointer, "reserved_channel", MadeChannelDetail)
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

// JobChannels is what the channels begin with that jobs get where the caller names none.
const JobChannels = "jobs."

// OwnJobChannel tells whether the channel is one that a job got with its id, so that nobody else publishes there.
func OwnJobChannel(name string) bool {
	id, ok := strings.CutPrefix(name, JobChannels)
	return ok && ValidID(PrefixJob, id)
}

// ChannelKey names a channel of a tenant.
type ChannelKey struct {
	Tenant TenantID
	Name   string
}

// boundChannels are those of one client each: whoever works for the client publishes there, and wants to know when it has left.
const boundChannels = "client."

// BoundChannel tells whether a channel is bound to one client: its name begins with "client.". Nothing else about it differs.
func BoundChannel(name string) bool { return strings.HasPrefix(name, boundChannels) }

// Publishable refuses what is no channel of a tenant's to publish to.
func Publishable(channel string) error {
	if !ValidChannel(channel) {
		return Refused("/channel", "invalid_channel", "a channel is segments of a-z, 0-9, _ and - (1 to 64 each), joined by dots, at most 200 in all")
	}
	if MadeChannel(channel) {
		return ErrReservedChannel("/channel")
	}
	return nil
}
