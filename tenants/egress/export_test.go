package egress

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
)

// Connect has connections to checked addresses opened by f.
func (e *Egress) Connect(f func(context.Context, netip.AddrPort) (net.Conn, error)) {
	e.dialer.connect = f
}

// Dial opens a connection the real way, past every check but the last.
func (e *Egress) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return e.dialer.dial(ctx, to)
}

// Trust has certificates verified against pool.
func (e *Egress) Trust(pool *x509.CertPool) { e.transport.TLSClientConfig.RootCAs = pool }

// Blocks gives the prefixes of the table, and whether the development switch opens them.
func Blocks() map[string]bool {
	m := make(map[string]bool)
	for _, b := range blocks {
		m[b.prefix] = b.dev
	}
	return m
}
