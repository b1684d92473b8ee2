// Package peers knows how to start other servers of server-sent events: nchan and pushpin, as Debian packages them.
// Tests proxy their streams, and the benchmark compares them with ours. The package starts nothing itself, and finds
// free addresses for programs to be started.
package peers

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Setup is a server that is ready to be started, and to be started again at the same place: its configuration is
// written and its addresses are fixed.
type Setup struct {
	// Programs holds each program with its arguments, in the order in which to start them; the last one is the
	// server.
	Programs [][]string
	Addr     string // for clients
	Publish  string // for publishers
}

// ErrMissing says that a program is not installed on this machine.
var ErrMissing = errors.New("not installed")

func installed(programs ...string) error {
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			return ErrMissing
		}
	}
	return nil
}

// write writes a server's configuration files into dir.
func write(dir string, files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// FreeAddr returns an address of this machine that was free a moment ago, for a program that must be told where to
// listen. Its port is below those that systems assign themselves: until the program listens, and while a killed
// program is restarted, dozens of connections are made and other tests listen on port 0.
func FreeAddr() string {
	for {
		addr := "127.0.0.1:" + strconv.Itoa(10_000+rand.N(22_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
}
