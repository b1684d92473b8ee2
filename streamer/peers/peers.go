// Package peers says how servers of server-sent events are started that others wrote: nchan and pushpin, as Debian has them. Tests have their
// streams come through a proxy, and the benchmark stands beside them. It starts nothing itself.
package peers

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

// FreeAddr is an address of this machine that nobody listens on now.
func FreeAddr() string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}
