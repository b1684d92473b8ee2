package tenants

import (
	"fmt"
	"net/netip"
	"time"
)

// Connection describes a live connection of a subscriber.
type Connection struct {
	ID        string
	Channels  []string
	Principal *Principal
	Transport string
	Remote    string
	Since     time.Time
	Cursor    string // "" before the first frame
	Backlog   int64  // bytes in its channels that were not yet handed to the connection
	Sent      int64  // bytes
}

// Position returns the place of the connection in a list that begins with the oldest.
func (c Connection) Position() string { return fmt.Sprintf("%019d/%s", c.Since.UnixNano(), c.ID) }

// NoConnection returns the error for a connection that does not exist: NotFound connection_not_found.
func NoConnection() error {
	return Errorf(NotFound, "connection_not_found", "there is no such connection")
}

// Network returns the unit by which limits per address count: an IPv4 address, an IPv6 /64, or a loopback address. Text
// that is not an address is returned as it is.
func Network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	switch {
	case err != nil || addr.Is4():
		return ip
	case addr.Is4In6():
		return addr.Unmap().String()
	case addr.IsLoopback():
		return ip
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
}
