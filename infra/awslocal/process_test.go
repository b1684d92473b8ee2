package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/streamer/peers"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

// built is the program as a user runs it, and a running instance that is shared by tests that do it no harm.
var built struct {
	once   sync.Once
	dir    string
	err    error
	shared *running
}

func TestMain(m *testing.M) {
	depth.Parallel(8) // they wait for queues, and until somebody is taken for dead
	code := m.Run()
	if built.shared != nil {
		built.shared.stop()
	}
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// running is a running awslocal.
type running struct {
	endtoend.Deployment
	streams []string
	data    string
	cmd     *exec.Cmd
	exited  chan error
	out     *os.File
}

// start returns the shared awslocal. If a program that it needs is missing, the test is skipped; with CI=true it
// fails instead.
func start(t *testing.T) *running {
	t.Helper()
	need(t)
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "awslocal"); built.err != nil {
			return
		}
		if _, built.err = endtoend.Build(built.dir, "infra/awslocal"); built.err != nil {
			return
		}
		built.shared, built.err = launch(filepath.Join(built.dir, "data"), 2)
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.shared
}

func need(t *testing.T) {
	t.Helper()
	if err := missing(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// launch runs the program on data with that many nodes, and returns once it is ready.
func launch(data string, nodes int) (*running, error) {
	if built.shared != nil {
		if err := copyBinaries(data); err != nil {
			return nil, err
		}
	}
	r, err := begin(data, nodes, filepath.Join(built.dir, "awslocal"))
	if err != nil {
		return nil, err
	}
	return r, r.await()
}

// copyBinaries gives data the binaries of the shared awslocal, so that they are not linked again.
func copyBinaries(data string) error {
	return os.CopyFS(filepath.Join(data, "build"), os.DirFS(filepath.Join(built.shared.data, "build")))
}

// begin starts the program in a session of its own, to which all of its processes belong.
func begin(data string, nodes int, program ...string) (r *running, err error) {
	r = &running{data: data, exited: make(chan error, 1)}
	for range nodes {
		r.streams = append(r.streams, peers.FreeAddr())
	}
	api := peers.FreeAddr()
	r.Deployment = endtoend.Deployment{API: "http://" + api, Stream: "http://" + r.streams[0],
		HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}}}
	if r.out, err = os.Create(data + ".out"); err != nil {
		return nil, err
	}
	r.cmd = exec.Command(program[0], append(program[1:], "-api", api, "-stream", strings.Join(r.streams, ","),
		"-data", data, "-allow-private")...)
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { r.exited <- r.cmd.Wait() }()
	return r, nil
}

// await waits until the program is ready.
func (r *running) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // the first start downloads and compiles
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-r.exited:
			r.exited <- err
			return fmt.Errorf("awslocal ended before it was ready: %v: %s\n%s", err, r.said(), r.warnings())
		case <-ctx.Done():
			_ = r.stop()
			return fmt.Errorf("awslocal is not ready after 5 minutes: %s", r.said())
		case <-tick.C:
			if a, err := r.Do(ctx, "GET", "/readyz", "", nil); err == nil && a.Status == 200 {
				return nil
			}
		}
	}
}

// said returns the program's output.
func (r *running) said() string {
	b, _ := os.ReadFile(r.out.Name())
	return string(b)
}

// warnings returns the last warnings and errors of the logs.
func (r *running) warnings() string {
	var found []string
	paths, _ := filepath.Glob(filepath.Join(r.data, "logs", "*.log"))
	for _, path := range paths {
		b, _ := os.ReadFile(path)
		for line := range strings.Lines(string(b)) {
			if !strings.HasPrefix(line, "{") || strings.Contains(line, `"level":"WARN"`) ||
				strings.Contains(line, `"level":"ERROR"`) {
				found = append(found, filepath.Base(path)+": "+line)
			}
		}
	}
	return strings.Join(found[max(0, len(found)-20):], "")
}

// stop ends the program as Ctrl-C does and waits for its end.
func (r *running) stop() error {
	_ = r.cmd.Process.Signal(os.Interrupt)
	err := <-r.exited
	r.exited <- err
	r.out.Close()
	return err
}

// node returns the deployment with the streams of one of its nodes.
func (r *running) node(i int) endtoend.Deployment {
	d := r.Deployment
	d.Stream = "http://" + r.streams[i]
	return d
}

func (r *running) operatorKey(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.data, "operator.key"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// processes returns the ids of the running processes by name.
func (r *running) processes(t testing.TB) map[string][]int {
	t.Helper()
	f, err := os.Open(filepath.Join(r.data, "processes"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	pids := make(map[string][]int)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, id, _ := strings.Cut(lines.Text(), " ")
		pid, err := strconv.Atoi(id)
		if err != nil {
			t.Fatal(err)
		}
		pids[name] = append(pids[name], pid)
	}
	return pids
}

// log returns the log of a function or of a node.
func (r *running) log(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.data, "logs", name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func itoa(n int) string { return strconv.Itoa(n) }

// wantNumber wants {"n":n} as the next event, with the number n.
func wantNumber(t testing.TB, s *endtoend.Stream, n int) {
	t.Helper()
	late := time.AfterFunc(20*time.Second, s.Close)
	defer late.Stop()
	f, err := s.NextEvent()
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if f.ID != itoa(n) || f.Data != `{"n":`+itoa(n)+`}` {
		t.Fatalf("got %+v, %v, want event %d", f, err, n)
	}
}
