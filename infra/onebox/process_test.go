package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/infra/endtoend/browser"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

func TestMain(m *testing.M) {
	endtoend.RunCrowd()
	depth.Parallel(6) // they wait for processes of their own
	code := m.Run()
	browser.Close()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// built is the program as a user runs it, built once for all tests that need a process.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "onebox"); built.err != nil {
			return
		}
		_, built.err = endtoend.Build(built.dir, "infra/onebox")
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "onebox")
}

// process is a running onebox.
type process struct {
	endtoend.Deployment
	addr, data string
	cmd        *exec.Cmd
	exited     chan error
}

// start runs onebox on data and waits until it serves. It ends with the test.
func start(t testing.TB, addr, data string, args ...string) *process {
	t.Helper()
	return startUnder(t, nil, addr, data, args...)
}

// startUnder is start by way of another program, which replaces itself with onebox.
func startUnder(t testing.TB, program []string, addr, data string, args ...string) *process {
	t.Helper()
	p := &process{addr: addr, data: data, exited: make(chan error, 1)}
	p.Deployment = endtoend.Deployment{API: "http://" + addr, Stream: "http://" + addr,
		HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}}}
	line := append(slices.Concat(program, []string{binary(t), "-addr", addr, "-data", data}), args...)
	p.cmd = exec.Command(line[0], line[1:]...)
	log, err := os.OpenFile(filepath.Join(filepath.Dir(data), "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exited <- p.cmd.Wait() }()
	t.Cleanup(p.kill)
	p.ready(t)
	return p
}

// ready polls /readyz until onebox serves: another process has no better way to report it.
func (p *process) ready(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-p.exited:
			p.exited <- err
			log, _ := os.ReadFile(filepath.Join(filepath.Dir(p.data), "log"))
			t.Fatalf("onebox ended before it was ready: %v\n%s", err, log)
		case <-ctx.Done():
			t.Fatal("onebox is not ready after 30 s")
		case <-tick.C:
			if a, err := p.Do(ctx, "GET", "/readyz", "", nil); err == nil && a.Status == 200 {
				return
			}
		}
	}
}

// kill ends the process as kill -9 does, and waits for its end.
func (p *process) kill() {
	p.cmd.Process.Kill()
	err := <-p.exited
	p.exited <- err
}

func (p *process) operatorKey(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.data, "operator.key"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// demoOf returns the demo tenant's source.
func demoOf(t testing.TB, p *process) endtoend.Source {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.data, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d demoTenant
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return endtoend.Source{URL: p.API + d.Source, Secret: d.Secret}
}
