package tenants

import "strings"

// ChannelKey names a channel of a tenant.
type ChannelKey struct {
	Tenant TenantID
	Name   string
}

// Bounds of channels, and names that have a meaning.
const (
	MaxChannels    = 50                      // the largest number of channels of one connection
	MaxChannelName = 200                     // the largest length of a channel's name in bytes
	NoticesChannel = ownChannels + "notices" // on it Hookcast tells a tenant about its own account; see package intake
	ProxyChannels  = ownChannels + "proxy."  // begins the channel of a proxy whose tenant names none; see ProxyOf
	JobChannels    = "jobs."                 // begins the channel of a job whose caller names none
	ownChannels    = "hookcast."             // begins the names that Hookcast keeps for itself
	boundChannels  = "client."               // begins the names of channels that are bound to one client
)

// ValidChannel reports whether name can name a channel: segments of [a-z0-9_-] (1 to 64 each) joined by dots, at most
// MaxChannelName bytes. Names are compared byte for byte, so "Orders" is refused instead of folded to "orders".
func ValidChannel(name string) bool {
	if len(name) > MaxChannelName {
		return false
	}
	for seg := range strings.SplitSeq(name, ".") {
		if len(seg) == 0 || len(seg) > 64 || strings.Trim(seg, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return false
		}
	}
	return true
}

// ValidChannelPattern reports whether p is a channel's name, the first segments of a name followed by ".*", or "*".
func ValidChannelPattern(p string) bool { return p == "*" || ValidChannel(strings.TrimSuffix(p, ".*")) }

// ChannelMatches reports whether the pattern p covers the channel name: "*" covers all, "a.b.*" the names that begin
// with "a.b.", and a name only itself.
func ChannelMatches(p, name string) bool {
	prefix, ok := strings.CutSuffix(p, "*")
	return p == name || ok && strings.HasPrefix(name, prefix)
}

// ReservedChannel reports whether the name is one that Hookcast keeps for itself: it begins with "hookcast.".
func ReservedChannel(name string) bool { return strings.HasPrefix(name, ownChannels) }

// OwnJobChannel reports whether name is the channel of exactly one job: "jobs." and the job's id.
func OwnJobChannel(name string) bool {
	id, ok := strings.CutPrefix(name, JobChannels)
	return ok && ValidID(PrefixJob, id)
}

// BoundChannel reports whether the channel is bound to one client: its name begins with "client.". Such a channel
// behaves as any other, and the tenant is told when the client leaves.
func BoundChannel(name string) bool { return strings.HasPrefix(name, boundChannels) }

// ProxyOf returns the id of the proxy to which a channel under ProxyChannels belongs; "*" if the channel belongs to a
// run without a stored proxy.
func ProxyOf(channel string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(channel, ProxyChannels)
	if id, _, _ = strings.Cut(rest, "."); !ValidID(PrefixProxy, id) {
		id = "*"
	}
	return id, ok
}

// Metered reports whether the channel's events count against the tenant's limits: all but those that Hookcast itself
// writes.
func Metered(name string) bool {
	return !ReservedChannel(name) || strings.HasPrefix(name, ProxyChannels)
}

// CountsAsChannel reports whether the channel counts against the limit of channels. Jobs have a limit of their own.
func CountsAsChannel(name string) bool { return Metered(name) && !OwnJobChannel(name) }

// UnpublishableChannel reports whether only Hookcast publishes to the channel: a ReservedChannel or an OwnJobChannel.
func UnpublishableChannel(name string) bool { return ReservedChannel(name) || OwnJobChannel(name) }

// UnpublishableError returns the error for an UnpublishableChannel: Unprocessable reserved_channel. pointer is the JSON
// pointer of the field that names the channel; "" if no field does.
func UnpublishableError(pointer string) error {
	err := Refused(pointer, "reserved_channel",
		"the channel must not begin with hookcast. or be a job's own: only Hookcast publishes there")
	if pointer == "" {
		err.Fields = nil
	}
	return err
}

// Publishable refuses a channel to which the tenant cannot publish: Unprocessable, at /channel, with the code
// invalid_channel or reserved_channel.
func Publishable(channel string) error {
	if !ValidChannel(channel) {
		return Refused("/channel", "invalid_channel",
			"the channel must be segments of a-z, 0-9, _ and - (1 to 64 each) joined by dots, at most 200 bytes in all")
	}
	if UnpublishableChannel(channel) {
		return UnpublishableError("/channel")
	}
	return nil
}
