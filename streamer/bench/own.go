//go:build linux

package main

import (
	"fmt"
	"os"

	"github.com/hookcast/hookcast/streamer/peers"
)

// ownVariable makes this binary run as one of its own small servers: `name address`.
const ownVariable = "HOOKCAST_BENCH_SERVER"

// own are the servers that are part of this program; each runs in a process of its own.
var own = map[string]func(addr string) error{
	"bare":     func(addr string) error { return serveFront(addr, newBare()) },
	"hub":      func(addr string) error { return serveFront(addr, newHubOnly()) },
	"net/http": serveNetHTTP,
	"fiber":    serveFiber,
	"origin":   serveOrigin, // behind pushpin
}

// runOwn runs the server that the environment names, and then never returns. Otherwise it does nothing.
func runOwn() {
	var name, addr string
	if n, _ := fmt.Sscan(os.Getenv(ownVariable), &name, &addr); n != 2 {
		return
	}
	fmt.Fprintln(os.Stderr, own[name](addr))
	os.Exit(1)
}

func (b *bench) startOwn(s *server, dir string) error {
	addr := peers.FreeAddr()
	if err := s.processes.start(dir, b.self, []string{ownVariable + "=" + s.name + " " + addr}); err != nil {
		return err
	}
	s.plain(addr)
	return listening(addr)
}
