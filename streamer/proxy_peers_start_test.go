//go:build linux

package streamer

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/awslocal/process"
	"github.com/hookcast/hookcast/infra/endtoend"
	foreign "github.com/hookcast/hookcast/streamer/peers"
)

// peer is a server of somebody else's on this machine, in processes of its own.
type peer struct {
	addr, path string
	probe      string                   // a path that answers once it serves; "": path
	publish    func(from, to int) error // numbers, in order; nil once the server has taken them all
	resumes    bool                     // it goes on from Last-Event-ID
	keeps      bool                     // it does so in another process, too: what it was told is on the disk

	command func() *exec.Cmd
	begun   *process.Process
}

func (p *peer) url() string { return "http://" + p.addr + p.path }

// start starts the server where it was, and returns when it serves.
func (p *peer) start(t *testing.T) {
	t.Helper()
	p.begin(t)
	client := http.Client{Timeout: time.Second}
	probe := "http://" + p.addr + cmp.Or(p.probe, p.path)
	eventually(t, probe+" answers", func() bool { // a program of several parts may listen before they have found each other
		select {
		case <-p.begun.Ended(): // somebody's connection may have had its port
			p.begin(t)
		default:
		}
		r, _ := http.NewRequest("GET", probe, nil)
		r.Header.Set("Accept", "text/event-stream")
		res, err := client.Do(r)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func (p *peer) begin(t *testing.T) {
	t.Helper()
	var err error
	if p.begun, err = process.Start(p.command()); err != nil {
		t.Fatal(err)
	}
}

// kill ends the server and all that it has started by SIGKILL, and returns when nobody listens any more.
func (p *peer) kill(t *testing.T) {
	t.Helper()
	for _, pid := range foreign.Family(p.begun.PID()) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.begun.Ended()
	eventually(t, p.addr+" is dead", func() bool {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// started starts a peer for the time of a test.
func started(t *testing.T, p *peer) *peer {
	t.Helper()
	t.Cleanup(func() {
		if p.begun != nil {
			p.kill(t)
		}
	})
	p.start(t)
	return p
}

// missing skips a test for which something is not installed, and fails it where everything has to be.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("%s is missing: nobody knows whether its streams come through a proxy", what)
}

// beside starts what stands beside a server, and returns how the server itself is started.
func beside(t *testing.T, name string, setup foreign.Setup, err error) func() *exec.Cmd {
	t.Helper()
	if errors.Is(err, foreign.ErrMissing) {
		missing(t, name)
	}
	if err != nil {
		t.Fatal(err)
	}
	last := len(setup.Programs) - 1
	for _, program := range setup.Programs[:last] {
		p, err := process.Start(exec.Command(program[0], program[1:]...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
	}
	server := setup.Programs[last]
	return func() *exec.Cmd { return exec.Command(server[0], server[1:]...) }
}

// posts sends a body until it is taken: while a server is killed and comes back it is not.
func posts(url, contentType, body string) error {
	var last error
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(20 * time.Millisecond) {
		res, err := http.Post(url, contentType, strings.NewReader(body))
		if err != nil {
			last = err
			continue
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode < 300 {
			return nil
		}
		last = errors.New(res.Status + " " + string(b))
	}
	return fmt.Errorf("%s: %w", url, last)
}

// startNchan starts nginx with nchan, which goes on from Last-Event-ID for as long as its process lives: what it keeps goes with that.
func startNchan(t *testing.T) *peer {
	dir := t.TempDir()
	for at := dir; at != filepath.Clean(os.TempDir()) && at != "/"; at = filepath.Dir(at) { // its worker is nobody
		if err := os.Chmod(at, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	setup, err := foreign.Nchan(dir, 20_000)
	return started(t, &peer{
		command: beside(t, "nginx with nchan", setup, err), addr: setup.Addr, path: "/sub/numbers", probe: "/sub/ready", resumes: true,
		publish: func(from, to int) error {
			for n := from; n <= to; n++ {
				if err := posts("http://"+setup.Publish+"/pub/numbers", "text/plain", fmt.Sprint(n)); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// startPushpin starts pushpin before an origin that holds every stream. It keeps nothing, and has no ids.
func startPushpin(t *testing.T) *peer {
	origin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	held := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Grip-Hold", "stream")
		w.Header().Set("Grip-Channel", "numbers")
		io.WriteString(w, "retry: 50\n\n")
	})}
	go held.Serve(origin)
	t.Cleanup(func() { held.Close() })
	setup, err := foreign.Pushpin(t.TempDir(), origin.Addr().String())
	return started(t, &peer{
		command: beside(t, "pushpin", setup, err), addr: setup.Addr, path: "/",
		publish: func(from, to int) error {
			for from <= to {
				var items []string
				for ; from <= to && len(items) < 100; from++ {
					items = append(items, fmt.Sprintf(`{"channel":"numbers","formats":{"http-stream":{"content":"data: %d\n\n"}}}`, from))
				}
				if err := posts("http://"+setup.Publish+"/publish/", "application/json", `{"items":[`+strings.Join(items, ",")+`]}`); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// startOnNode starts servers that npm has. They keep what they are told in a file, and all but express-sse go on from there.
func startOnNode(t *testing.T, path string, keeps bool) *peer {
	packages := endtoend.Packages(t, "peers", "nobody knows whether its streams come through a proxy")
	script, err := filepath.Abs("peers/servers.mjs")
	if err != nil {
		t.Fatal(err)
	}
	addr, file := foreign.FreeAddr(), filepath.Join(t.TempDir(), "numbers")
	_, port, _ := net.SplitHostPort(addr)
	return started(t, &peer{
		addr: addr, path: path, resumes: keeps, keeps: keeps,
		command: func() *exec.Cmd {
			cmd := exec.Command("node", script, port, file)
			cmd.Dir, cmd.Stderr = packages, os.Stderr
			return cmd
		},
		publish: func(from, to int) error {
			for from <= to {
				from = min(from+100, to+1)
				if err := posts(fmt.Sprintf("http://%s/publish?to=%d", addr, from-1), "text/plain", ""); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// middle passes connections on to a server, until it cuts them.
type middle struct {
	net.Listener
	mu   sync.Mutex
	open []net.Conn
}

func newMiddle(t *testing.T, to string) *middle {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &middle{Listener: ln}
	t.Cleanup(func() {
		ln.Close()
		m.cut()
	})
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			m.mu.Lock()
			m.open = append(m.open, c, server)
			m.mu.Unlock()
			go io.Copy(server, c)
			go io.Copy(c, server)
		}
	}()
	return m
}

// cut breaks every connection; the server lives on.
func (m *middle) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.open {
		c.Close()
	}
	m.open = nil
}
