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

// peer is another server on this machine, in processes of its own.
type peer struct {
	addr, path string
	probe      string                   // a path that responds once the server serves; "": path
	publish    func(from, to int) error // publishes numbers in order; nil once the server has accepted all
	resumes    bool                     // it resumes from Last-Event-ID
	keeps      bool                     // it resumes in another process too, because it stores events on disk

	command func() *exec.Cmd
	begun   *process.Process
}

func (p *peer) url() string { return "http://" + p.addr + p.path }

// start starts the server at its place and returns when it serves.
func (p *peer) start(t *testing.T) {
	t.Helper()
	p.begin(t)
	client := http.Client{Timeout: time.Second}
	probe := "http://" + p.addr + cmp.Or(p.probe, p.path)
	eventually(t, probe+" answers", func() bool { // parts of a program may listen before they have found each other
		select {
		case <-p.begun.Ended(): // another connection may have had its port
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

// kill kills the server and all its descendants with SIGKILL, and returns when its port is closed.
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

// started starts a peer for the duration of a test.
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

// missing skips a test because something is not installed, or fails it if everything must be.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("%s is missing: nobody knows whether its streams come through a proxy", what)
}

// beside starts the programs that accompany a server, and returns the command of the server itself.
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

// posts sends a body until it is accepted: while a server is killed and restarts, it is not.
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

// startNchan starts nginx with nchan, which resumes from Last-Event-ID as long as its process lives: it stores events
// in memory.
func startNchan(t *testing.T) *peer {
	dir := t.TempDir()
	// its worker runs as the user nobody
	for at := dir; at != filepath.Clean(os.TempDir()) && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	setup, err := foreign.Nchan(dir, 20_000)
	return started(t, &peer{
		command: beside(t, "nginx with nchan", setup, err), addr: setup.Addr, path: "/sub/numbers", probe: "/sub/ready",
		resumes: true,
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

// startPushpin starts pushpin in front of an origin that holds every stream. It stores nothing and has no ids.
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
					items = append(items,
						fmt.Sprintf(`{"channel":"numbers","formats":{"http-stream":{"content":"data: %d\n\n"}}}`, from))
				}
				if err := posts("http://"+setup.Publish+"/publish/", "application/json",
					`{"items":[`+strings.Join(items, ",")+`]}`); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// startOnNode starts servers from npm. They store events in a file, and all except express-sse resume from there.
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

// middle forwards connections to a server until it cuts them.
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

// cut breaks every connection; the server keeps running.
func (m *middle) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.open {
		c.Close()
	}
	m.open = nil
}
