//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"
)

// server is a server of event streams in separate processes, with the details needed to use it.
type server struct {
	name string
	processes
	addr          string // for clients
	subscribePath func(channel int) string
	header        string // lines of a subscriber's request

	publishAddr   string
	publishPath   func(channel int) string
	publishHeader string
	body          func(dst []byte, m mark, size int) []byte

	metrics      func() (map[string]float64, error) // its own counters; nil: none
	operatorFile string
	key          string // of the tenant
}

// plain sets the paths of the small servers: GET /sub/c<n>, and POST /pub/c<n> with the data as the body.
func (s *server) plain(addr string) {
	s.addr, s.publishAddr = addr, addr
	s.subscribePath = func(ch int) string { return fmt.Sprintf("/sub/c%d", ch) }
	s.publishPath = func(ch int) string { return fmt.Sprintf("/pub/c%d", ch) }
	s.body = func(dst []byte, m mark, size int) []byte { return m.appendData(dst, size) }
}

// dial returns a fleetSpec's dial for clients that listen to one channel each.
func (s *server) dial(channel func(client int) int) func(int, []byte) (*syscall.SockaddrInet4, []byte) {
	at := socketAddress(s.addr)
	return func(i int, last []byte) (*syscall.SockaddrInet4, []byte) { return at, s.request(channel(i), last) }
}

func (s *server) request(channel int, last []byte) []byte {
	r := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n%s", s.subscribePath(channel),
		s.addr, s.header)
	if len(last) > 0 {
		r = fmt.Appendf(r, "Last-Event-ID: %s\r\n", last)
	}
	return append(r, "\r\n"...)
}

func socketAddress(addr string) *syscall.SockaddrInet4 {
	ap := netip.MustParseAddrPort(addr)
	return &syscall.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}
}

// start starts a server by its name in a directory of its own.
func (b *bench) start(name string) (*server, error) {
	dir, err := os.MkdirTemp(b.dir, "")
	if err != nil {
		return nil, err
	}
	s := &server{name: name}
	switch name {
	case "hookcast":
		err = b.startOnebox(s, dir)
	case "nchan":
		err = startNchan(s, dir)
	case "pushpin":
		err = b.startPushpin(s, dir)
	default:
		err = b.startOwn(s, dir)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}
