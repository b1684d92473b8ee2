// Package egress makes requests to addresses that tenants choose, without reaching our own or anyone's internal
// network: it prevents server-side request forgery.
//
// A URL is checked when it is configured (CheckURL) and at each attempt. What counts is the address of each
// connection, which the Dialer checks after resolving the name and again when the socket is about to connect. A name
// is resolved once per attempt, and the checked address is the one dialed, so a name that changes in between (DNS
// rebinding) gains nothing. Redirects are not followed, content encodings are not decoded, environment proxies are
// not used, and everything that the other side sends is bounded in bytes and in time.
package egress

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Options say what may be reached.
type Options struct {
	// AllowPrivate is for development. It allows private and loopback addresses, plain http, and any port and name.
	// Link-local addresses, and with them the metadata services of clouds, remain blocked.
	AllowPrivate bool
	// OwnHosts are our own hosts, to which nothing is sent, lest events circulate: "hooks.example.com" for every
	// port, or "127.0.0.1:8080".
	OwnHosts []string
	// Timeout bounds one request in total; 0 means 15 s.
	Timeout time.Duration
	// Resolver resolves names; nil means the system's resolver.
	Resolver Resolver
}

// Resolver resolves a name; net.Resolver implements it. network is "ip".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	defaultTimeout = 15 * time.Second
	lookupAtCheck  = 2 * time.Second
	idle           = 4 * time.Second // below the 5 s of Node: a server that closes while we write costs an attempt
	maxHead        = 64 << 10        // bytes of an answer's head, including 1xx answers before it
)

// Egress sends requests. It implements tenants.Sender and tenants.Destinations.
type Egress struct {
	o         Options
	dialer    *Dialer
	transport *http.Transport
}

// New returns an Egress. Close closes its idle connections.
func New(o Options) *Egress {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	e := &Egress{o: o, dialer: NewDialer(o)}
	e.transport = &http.Transport{
		DialContext:            e.dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		DisableCompression:     true, // answers are not decoded
		MaxResponseHeaderBytes: maxHead,
		MaxIdleConns:           512,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        idle,
		WriteBufferSize:        16 << 10,
		ReadBufferSize:         4 << 10,
		// Proxy stays nil: a proxy of the environment would connect unchecked. HTTP/1.1 only, so no HTTP/2 frames can
		// flood us.
	}
	return e
}

// Close closes idle connections.
func (e *Egress) Close() { e.transport.CloseIdleConnections() }

// Dialer returns the dialer, for protocols other than one request and one answer.
func (e *Egress) Dialer() *Dialer { return e.dialer }

var _ Resolver = (*net.Resolver)(nil)
