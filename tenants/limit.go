package tenants

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Network is what limits by address count by: an IPv4 address, an IPv6 /64. What is no address stands for itself.
func Network(ip string) string {
	if strings.IndexByte(ip, ':') < 0 {
		return ip
	}
	addr, err := netip.ParseAddr(ip)
	switch {
	case err != nil:
		return ip
	case addr.Is4In6():
		return addr.Unmap().String()
	case addr.IsLoopback():
		return ip
	}
	p, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return p.String()
}

// limit is one field of Limits under the name that the API gives it.
type limit struct {
	name string
	get  func(Limits) int64
	set  func(*Limits, int64)
	min  int64
	max  int64
}

// limits are all of them, in the order in which people are shown them.
func limits() []limit {
	return []limit{
		{"connections", func(l Limits) int64 { return int64(l.Connections) }, func(l *Limits, n int64) { l.Connections = int(n) }, 0, math.MaxInt32},
		{"connections_per_channel", func(l Limits) int64 { return int64(l.ConnectionsPerChannel) }, func(l *Limits, n int64) { l.ConnectionsPerChannel = int(n) }, 0, math.MaxInt32},
		{"connections_per_subject", func(l Limits) int64 { return int64(l.ConnectionsPerSubject) }, func(l *Limits, n int64) { l.ConnectionsPerSubject = int(n) }, 0, math.MaxInt32},
		{"connections_per_ip", func(l Limits) int64 { return int64(l.ConnectionsPerIP) }, func(l *Limits, n int64) { l.ConnectionsPerIP = int(n) }, 0, math.MaxInt32},
		{"connects_per_second", func(l Limits) int64 { return int64(l.ConnectsPerSecond) }, func(l *Limits, n int64) { l.ConnectsPerSecond = int(n) }, 0, math.MaxInt32},
		{"connects_per_second_per_ip", func(l Limits) int64 { return int64(l.ConnectsPerSecondIP) }, func(l *Limits, n int64) { l.ConnectsPerSecondIP = int(n) }, 0, math.MaxInt32},
		{"events_per_second", func(l Limits) int64 { return int64(l.EventsPerSecond) }, func(l *Limits, n int64) { l.EventsPerSecond = int(n) }, 0, math.MaxInt32},
		{"events_per_second_per_source", func(l Limits) int64 { return int64(l.SourcePerSecond) }, func(l *Limits, n int64) { l.SourcePerSecond = int(n) }, 0, math.MaxInt32},
		{"events_per_second_unsigned", func(l Limits) int64 { return int64(l.UnsignedPerSecond) }, func(l *Limits, n int64) { l.UnsignedPerSecond = int(n) }, 0, math.MaxInt32},
		{"events_per_month", func(l Limits) int64 { return l.EventsPerMonth }, func(l *Limits, n int64) { l.EventsPerMonth = n }, 0, 1 << 52},
		{"event_bytes", func(l Limits) int64 { return int64(l.EventBytes) }, func(l *Limits, n int64) { l.EventBytes = int(n) }, 1, MaxEventBytes},
		{"sources", func(l Limits) int64 { return int64(l.Sources) }, func(l *Limits, n int64) { l.Sources = int(n) }, 0, math.MaxInt32},
		{"endpoints", func(l Limits) int64 { return int64(l.Endpoints) }, func(l *Limits, n int64) { l.Endpoints = int(n) }, 0, math.MaxInt32},
		{"channels", func(l Limits) int64 { return int64(l.Channels) }, func(l *Limits, n int64) { l.Channels = int(n) }, 0, math.MaxInt32},
		{"jobs", func(l Limits) int64 { return int64(l.Jobs) }, func(l *Limits, n int64) { l.Jobs = int(n) }, 0, math.MaxInt32},
		{"retention_events", func(l Limits) int64 { return l.RetentionEvents }, func(l *Limits, n int64) { l.RetentionEvents = n }, 0, 1 << 52},
		{"retention_seconds", func(l Limits) int64 { return l.RetentionSeconds }, func(l *Limits, n int64) { l.RetentionSeconds = n }, 0, 1 << 40},
	}
}

// LimitNames are the names under which Named gives limits and an operator sets them, in the order to show them.
func LimitNames() []string {
	all := limits()
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.name
	}
	return names
}

// Named gives every limit under its name in the API.
func (l Limits) Named() map[string]int64 {
	named := make(map[string]int64)
	for _, f := range limits() {
		named[f.name] = f.get(l)
	}
	return named
}

// with gives l with overrides on top. A name that no longer exists changes nothing.
func (l Limits) with(overrides map[string]int64) Limits {
	if len(overrides) == 0 {
		return l
	}
	for _, f := range limits() {
		if n, ok := overrides[f.name]; ok {
			f.set(&l, min(max(n, f.min), f.max))
		}
	}
	return l
}

// CheckLimit refuses an override of an unknown limit, or one outside what the limit can be.
func CheckLimit(name string, n int64) error {
	all := limits()
	i := slices.IndexFunc(all, func(f limit) bool { return f.name == name })
	if i < 0 {
		return Refused("/limits", "limit_unknown", "there is no limit of that name")
	}
	if f := all[i]; n < f.min || n > f.max {
		return Refused("/limits/"+name, "invalid_limits", name+" must be "+strconv.FormatInt(f.min, 10)+" to "+strconv.FormatInt(f.max, 10))
	}
	return nil
}

// Retention is what of a channel a tenant may still read. It is a floor that readers apply: rows leave the table later, by
// expiry. 0 is no bound.
type Retention struct {
	Events  int64 // the newest so many
	Seconds int64 // those received in the last so many seconds; exact to the order in which events of one channel were received
}

// Retention returns the part of the limits that readers of a channel need.
func (l Limits) Retention() Retention {
	return Retention{Events: l.RetentionEvents, Seconds: l.RetentionSeconds}
}

// ScarcePercent is how much of a limit is in use when its tenant is told.
const ScarcePercent = 80

// Scarce tells whether so much of a limit is in use that its tenant is to be told.
func Scarce(used, limit int64) bool {
	return limit > 0 && used > 0 && used >= (limit*ScarcePercent+99)/100
}
