package streamer

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
)

// peerConn is a connection from an address.
type peerConn struct {
	countingConn
	from string
}

func (c *peerConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

func TestOneAddressDoesNotGetAllConnections(t *testing.T) {
	script := newScript()
	l := testListener(script, 1000, 2000)
	defer l.Close()
	l.addresses.most = 2
	accept := func(from ...string) (got []string) {
		t.Helper()
		// the last one shows that Accept has handled those before it
		for _, addr := range append(from, "203.0.113.99:1") {
			script.next <- &peerConn{from: addr}
		}
		for {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if from := c.(*conn).Conn.(*peerConn).from; from != "203.0.113.99:1" {
				got = append(got, from)
				continue
			}
			c.Close()
			return got
		}
	}
	if got := accept("192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.2:1",
		"[::ffff:192.0.2.1]:4"); fmt.Sprint(got) != "[192.0.2.1:1 192.0.2.1:2 192.0.2.2:1]" {
		t.Errorf("IPv4: %v", got)
	}
	if got := accept("[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1",
		"[2001:db8:0:1::1]:1"); fmt.Sprint(got) != "[[2001:db8::1]:1 [2001:db8::2]:1 [2001:db8:0:1::1]:1]" {
		t.Errorf("IPv6: %v", got)
	}
	if got := accept("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "[::1]:1", "[::1]:2", "[::1]:3"); len(got) != 6 {
		t.Errorf("of this machine: %v", got)
	}
}

// A closed connection makes room, and so does one that became a stream, and each only once.
func TestAnAddressGetsItsRoomBack(t *testing.T) {
	script := newScript()
	l := testListener(script, 1000, 2000)
	defer l.Close()
	l.addresses.most = 2
	for round := range 10 {
		var open []*conn
		for n := range 2 {
			script.next <- &peerConn{from: fmt.Sprintf("192.0.2.1:%d", n+1)}
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c.(*conn))
		}
		for n, c := range open {
			if (n+round)%2 == 0 {
				c.detach()
			}
			c.Close()
			c.Close()
		}
	}
	if len(l.addresses.open) != 0 {
		t.Errorf("counted are %v", l.addresses.open)
	}
}
