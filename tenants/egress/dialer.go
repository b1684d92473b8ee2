package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

const (
	maxAddresses   = 8 // tried for one name
	lookupTimeout  = 5 * time.Second
	connectTimeout = 8 * time.Second
	connectAtLeast = time.Second // minimum for each address
)

// Dialer connects to allowed addresses only. It is safe for concurrent use.
type Dialer struct {
	policy   policy
	resolver Resolver
	search   bool // the system's search list applies to names
	// connect opens a connection to a checked address.
	connect func(context.Context, netip.AddrPort) (net.Conn, error)
}

// NewDialer returns a Dialer. It uses AllowPrivate and Resolver of o.
func NewDialer(o Options) *Dialer {
	d := &Dialer{policy: newPolicy(o.AllowPrivate), resolver: o.Resolver, search: o.AllowPrivate}
	if d.resolver == nil {
		d.resolver = net.DefaultResolver
	}
	d.connect = d.dial
	return d
}

// DialError says why a connection could not be made.
type DialError struct {
	Failure tenants.Failure // FailureURL, FailureDNS, FailureBlocked or FailureConnect
	err     error
}

func (e *DialError) Error() string {
	if e.err == nil {
		return "egress: " + string(e.Failure)
	}
	return fmt.Sprintf("egress: %s: %v", e.Failure, e.err)
}

func (e *DialError) Unwrap() error { return e.err }

// DialContext resolves the name once, ignores the addresses that must not be reached, and tries the others in turn.
// Errors are of type *DialError.
func (d *Dialer) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &DialError{Failure: tenants.FailureURL, err: err}
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, &DialError{Failure: tenants.FailureURL, err: err}
	}
	addrs, err := d.lookup(ctx, host)
	if err != nil || len(addrs) == 0 {
		return nil, &DialError{tenants.FailureDNS, err}
	}
	var reachable []netip.AddrPort
	for _, a := range addrs {
		if d.allowed(a) && len(reachable) < maxAddresses {
			reachable = append(reachable, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	if len(reachable) == 0 {
		return nil, &DialError{tenants.FailureBlocked, nil}
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	end, _ := ctx.Deadline()
	for i, to := range reachable {
		share := max(time.Until(end)/time.Duration(len(reachable)-i), connectAtLeast)
		var conn net.Conn
		if conn, err = d.within(ctx, share, to); err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	if dialed, ok := errors.AsType[*DialError](err); ok {
		return nil, dialed
	}
	return nil, &DialError{tenants.FailureConnect, err}
}

func (d *Dialer) within(ctx context.Context, share time.Duration, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	return d.connect(ctx, to)
}

// dial checks the address once more when the socket is about to connect: this check is the final one.
func (d *Dialer) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	nd := net.Dialer{KeepAlive: -1, FallbackDelay: -1, Control: d.control}
	return nd.DialContext(ctx, "tcp", to.String())
}

func (d *Dialer) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !d.allowed(to.Addr()) {
		return &DialError{tenants.FailureBlocked, nil}
	}
	return nil
}

// allowed reports whether a may be reached.
func (d *Dialer) allowed(a netip.Addr) bool { return d.policy.refuse(a) == "" }

// lookup returns the addresses of a host, which may be an address itself.
func (d *Dialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	if !d.search {
		host += "." // absolute: never completed to a name of our own network
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addrs, err := d.resolver.LookupNetIP(ctx, "ip", host)
	addrs = slices.Clone(addrs)
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	return addrs, err
}
