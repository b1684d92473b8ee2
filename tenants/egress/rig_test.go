package egress_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/egress"
)

// names is a Resolver with a list of answers for each name, given one after the other; the last one repeats.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string
	asked   []string
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, host)
	answers := n.answers[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(answers) > 1 {
		n.answers[host] = answers[1:]
	}
	var addrs []netip.Addr
	for _, a := range answers[0] {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, nil
}

// public is an allowed address; the rig never connects to it.
const public = "8.8.8.8"

// wire connects an Egress to servers in this process, and records the dialed addresses.
type wire struct {
	*egress.Egress
	names *names
	mu    sync.Mutex
	to    []string
}

// newWire serves each connection with serve, which closes it. The name example.com is public.
func newWire(t *testing.T, o egress.Options, serve func(net.Conn)) *wire {
	t.Helper()
	w := &wire{names: &names{answers: map[string][][]string{"example.com.": {{public}}, "example.com": {{public}}}}}
	o.Resolver = w.names
	w.Egress = egress.New(o)
	t.Cleanup(w.Close)
	w.Connect(func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
		w.mu.Lock()
		w.to = append(w.to, to.String())
		w.mu.Unlock()
		if serve == nil {
			return nil, errors.New("refused")
		}
		ours, theirs := net.Pipe()
		go serve(theirs)
		return ours, nil
	})
	return w
}

func (w *wire) dialled() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to
}

// plain returns a wire for requests without TLS to example.com.
func plain(t *testing.T, serve func(net.Conn)) *wire {
	t.Helper()
	return newWire(t, egress.Options{AllowPrivate: true}, serve)
}

// answering writes text after each request of the connection.
func answering(text string) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		r := bufio.NewReader(c)
		for {
			if !readRequest(r) {
				return
			}
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

func readRequest(r *bufio.Reader) bool {
	request, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, request.Body)
	return err == nil
}

func to(url string) tenants.Outgoing {
	return tenants.Outgoing{Method: "POST", URL: url, Header: map[string][]string{"Content-Type": {"application/json"}},
		Body: []byte(`{"a":1}`)}
}

func wantFailure(t *testing.T, a tenants.Answer, want tenants.Failure) {
	t.Helper()
	if a.Failure != want {
		t.Fatalf("failure %q, want %q (%+v)", a.Failure, want, a)
	}
}
