package egress_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/egress"
)

func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// The attack: a name that resolves to an internal address of any range.
func TestNameThatLeadsInsideIsNeverDialled(t *testing.T) {
	for prefix := range egress.Blocks() {
		p := netip.MustParsePrefix(prefix)
		for _, a := range []netip.Addr{p.Addr(), last(p)} {
			w := newWire(t, egress.Options{}, nil)
			w.names.answers["inside.example.com."] = [][]string{{a.String()}}
			wantFailure(t, w.Send(t.Context(), to("https://inside.example.com/")), tenants.FailureBlocked)
			if len(w.dialled()) != 0 {
				t.Errorf("%s was dialed", a)
			}
			if _, err := w.CheckURL(t.Context(), "https://inside.example.com/"); tenants.CodeOf(err) != "invalid_url" ||
				strings.Contains(err.Error(), a.String()) {
				t.Errorf("%s: got %v, want invalid_url without the address", a, err)
			}
		}
	}
	for _, a := range []string{"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "4000::1", "1fff::1",
		"fe80::1%lo", "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200"} {
		w := newWire(t, egress.Options{}, nil)
		w.names.answers["inside.example.com."] = [][]string{{a}}
		wantFailure(t, w.Send(t.Context(), to("https://inside.example.com/")), tenants.FailureBlocked)
	}
}

func TestAddressesBesideTheBlocksAreReachable(t *testing.T) {
	for _, a := range []string{"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
		"126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
		"223.255.255.255", "::ffff:8.8.8.8",
		"2001:200::1", "2606:4700::1", "2a00::1", "3ffe::1", "2003::1"} {
		w := newWire(t, egress.Options{}, nil)
		w.names.answers["outside.example.com."] = [][]string{{a}}
		wantFailure(t, w.Send(t.Context(), to("https://outside.example.com/")), tenants.FailureConnect)
		if d := w.dialled(); len(d) != 1 || d[0] != netip.AddrPortFrom(netip.MustParseAddr(a).Unmap(), 443).String() {
			t.Errorf("%s: dialed %v, want only it", a, d)
		}
	}
}

// The attack: the name is public when checked, and private when dialed.
func TestDNSRebindingIsNeverDialled(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan struct{}, 1)
	go func() {
		if c, err := listener.Accept(); err == nil {
			accepted <- struct{}{}
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	resolver := &names{answers: map[string][][]string{"rebind.example.com.": {{public}, {"127.0.0.1"}}}}
	e := egress.New(egress.Options{Resolver: resolver}) // it connects through real sockets
	defer e.Close()
	url := "https://rebind.example.com:" + port + "/"
	if _, err := e.CheckURL(t.Context(), url); err != nil {
		t.Fatalf("a public name: got %v, want accepted", err)
	}
	for range 3 {
		a := e.Send(t.Context(), to(url))
		wantFailure(t, a, tenants.FailureBlocked)
		if a.Connected || a.Status != 0 || len(a.Body) != 0 || len(a.Header) != 0 {
			t.Errorf("a blocked attempt returned %+v, want nothing of an answer", a)
		}
	}
	select {
	case <-accepted:
		t.Error("the private address was dialed")
	default:
	}
	if len(resolver.asked) != 4 {
		t.Errorf("the name was resolved %d times, want once for the check and once for each of 3 attempts",
			len(resolver.asked))
	}
}

// The same between two attempts: the checked address is the dialed one.
func TestDNSRebindingBetweenAttempts(t *testing.T) {
	w := newWire(t, egress.Options{}, nil)
	w.names.answers["rebind.example.com."] = [][]string{{public}, {"10.0.0.1"}, {"169.254.169.254"}, {public}}
	for _, want := range []tenants.Failure{tenants.FailureConnect, tenants.FailureBlocked, tenants.FailureBlocked,
		tenants.FailureConnect} {
		wantFailure(t, w.Send(t.Context(), to("https://rebind.example.com/")), want)
	}
	for _, d := range w.dialled() {
		if d != public+":443" {
			t.Errorf("dialed %s, want %s:443", d, public)
		}
	}
}

// The attack: one private address among many.
func TestOnePrivateAddressAmongManyIsLeftOut(t *testing.T) {
	w := newWire(t, egress.Options{}, nil)
	w.names.answers["many.example.com."] = [][]string{{"127.0.0.1", public, "10.0.0.1", "8.8.4.4",
		"::1", "2606:4700::1111", "169.254.169.254"}}
	wantFailure(t, w.Send(t.Context(), to("https://many.example.com/")), tenants.FailureConnect)
	if d := strings.Join(w.dialled(), " "); d != "8.8.8.8:443 8.8.4.4:443 [2606:4700::1111]:443" {
		t.Errorf("dialed %s, want the public addresses", d)
	}
	crowd := make([]string, 100)
	for i := range crowd {
		crowd[i] = netip.AddrFrom4([4]byte{8, 8, 8, byte(i)}).String()
	}
	w = newWire(t, egress.Options{}, nil)
	w.names.answers["crowd.example.com."] = [][]string{crowd}
	w.Send(t.Context(), to("https://crowd.example.com/"))
	if n := len(w.dialled()); n > 8 {
		t.Errorf("a hundred addresses: %d dialed, want at most 8", n)
	}
}

// The socket itself is never connected to a blocked address, whatever happened before.
func TestSocketIsCheckedAgain(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	addr := netip.MustParseAddrPort(listener.Addr().String())
	_, err = egress.New(egress.Options{}).Dial(t.Context(), addr)
	if e, ok := errors.AsType[*egress.DialError](err); !ok || e.Failure != tenants.FailureBlocked {
		t.Errorf("got %v, want a blocked DialError", err)
	}
	conn, err := egress.New(egress.Options{AllowPrivate: true}).Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// The attack: the system's search list completes a public name to an internal one.
func TestNamesAreLookedUpAsTheyStand(t *testing.T) {
	w := newWire(t, egress.Options{}, nil)
	w.names.answers["metadata.google"] = [][]string{{public}}
	wantFailure(t, w.Send(t.Context(), to("https://metadata.google/")), tenants.FailureDNS)
	if w.names.asked[0] != "metadata.google." {
		t.Errorf("resolved %q, want an absolute name", w.names.asked[0])
	}
}

// The switch for development allows private ranges, but never cloud metadata.
func TestDevelopmentSwitchLeavesMetadataShut(t *testing.T) {
	for prefix, opened := range egress.Blocks() {
		p := netip.MustParsePrefix(prefix)
		w := newWire(t, egress.Options{AllowPrivate: true}, nil)
		w.names.answers["inside"] = [][]string{{last(p).String()}}
		want := tenants.FailureBlocked
		if opened {
			want = tenants.FailureConnect
		}
		wantFailure(t, w.Send(t.Context(), to("http://inside/")), want)
	}
	for _, url := range []string{"http://169.254.169.254/", "http://169.254.170.2/", "http://[fd00:ec2::254]/",
		"http://[::ffff:169.254.169.254]/"} {
		w := newWire(t, egress.Options{AllowPrivate: true}, nil)
		wantFailure(t, w.Send(t.Context(), to(url)), tenants.FailureBlocked)
	}
}

func TestEnvironmentsProxyIsNotAsked(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("ALL_PROXY", "http://127.0.0.1:1")
	w := newWire(t, egress.Options{}, nil)
	w.Send(context.Background(), to("https://example.com/"))
	if d := w.dialled(); len(d) != 1 || d[0] != public+":443" {
		t.Errorf("dialed %v, want %s:443", d, public)
	}
}
