// Package egress makes requests to addresses that tenants choose, and nothing of ours or of somebody's inner network is reached by
// them: server-side request forgery ends here.
//
// What a URL says is checked when it is set (CheckURL) and at each attempt; what counts is the concrete address of each
// connection, which the Dialer looks at after the name is resolved and once more when the socket is about to connect. A name is
// resolved once for an attempt, and what was checked is what is dialled, so that a name that answers otherwise the next moment
// (DNS rebinding) gains nothing. No redirect is followed, no content encoding is undone, no proxy of the environment is asked, and
// everything that the other side sends is bounded in bytes and in time.
package egress

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Options are what may be reached.
type Options struct {
	// AllowPrivate is for development: private and loopback addresses, plain http, any port, any name. Link-local addresses, and with
	// them the metadata services of clouds, stay out of reach.
	AllowPrivate bool
	// OwnHosts are hosts that are us, so that nothing is posted in circles: "hooks.example.com" on every port, or "127.0.0.1:8080".
	OwnHosts []string
	// Timeout is how long one request may take in all. 0: 15 s.
	Timeout time.Duration
	// Resolver looks names up. Nil: the system's.
	Resolver Resolver
}

// Resolver looks a name up; net.Resolver is one. network is "ip".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	defaultTimeout = 15 * time.Second
	lookupAtCheck  = 2 * time.Second
	idle           = 4 * time.Second // less than Node's 5 s: a server that closes while we write costs an attempt
	maxHead        = 64 << 10        // bytes of an answer's head, 1xx answers before it included
)

// Egress sends requests; it is a tenants.Sender and a tenants.Destinations.
type Egress struct {
	o         Options
	dialer    *Dialer
	transport *http.Transport
}

// New makes an Egress. Close lets go of its idle connections.
func New(o Options) *Egress {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	e := &Egress{o: o, dialer: NewDialer(o)}
	e.transport = &http.Transport{
		DialContext:            e.dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		DisableCompression:     true, // what comes is not decoded, whatever it claims to be
		MaxResponseHeaderBytes: maxHead,
		MaxIdleConns:           512,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        idle,
		WriteBufferSize:        16 << 10,
		ReadBufferSize:         4 << 10,
		// Proxy stays nil: the environment's proxy would connect for us, unchecked. HTTP/1.1 alone: no frames to flood us with.
	}
	return e
}

// Close closes idle connections.
func (e *Egress) Close() { e.transport.CloseIdleConnections() }

// Dialer is what connects: for whoever speaks something else than a request and its answer, such as a stream.
func (e *Egress) Dialer() *Dialer { return e.dialer }

var _ Resolver = (*net.Resolver)(nil)
