// Package peers says how servers of server-sent events are started that others wrote: nchan and pushpin, as Debian has them. Tests have their
// streams come through a proxy, and the benchmark stands beside them. It starts nothing itself, and finds an address for whatever is to be started.
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

// Setup is a server that is ready to be started, and started again where it was: what it reads is written, and its addresses are settled.
type Setup struct {
	Programs [][]string // each with its arguments, to be started in this order; the last is the server, the others stand beside it
	Addr     string     // where clients listen
	Publish  string     // where events are posted to
}

// ErrMissing says that a program is not on this machine.
var ErrMissing = errors.New("not installed")

func installed(programs ...string) error {
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			return ErrMissing
		}
	}
	return nil
}

// write writes what a server reads into dir.
func write(dir string, files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// FreeAddr returns an address of this machine that was free a moment ago, for a program that has to be told where to listen. Its port is below
// those that systems give out by themselves: between this moment and the one in which it is listened on, and while a program that was killed
// is started anew, dozens of connections are made, and other tests listen on port 0.
func FreeAddr() string {
	for {
		addr := "127.0.0.1:" + strconv.Itoa(10_000+rand.N(22_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
}
