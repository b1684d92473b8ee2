package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/streamer/peers"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

// box is a running onebox process with one tenant.
type box struct {
	endtoend.Deployment
	tenant endtoend.Tenant
	addr   string
	data   string
	cmd    *exec.Cmd
}

var built struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	depth.Parallel(6) // they wait for connections to be dead
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// startBox builds and runs onebox, and signs up a tenant.
func startBox(t *testing.T) *box {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "hookcast"); built.err == nil {
			_, built.err = endtoend.Build(built.dir, "infra/onebox")
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	b := &box{addr: peers.FreeAddr(), data: filepath.Join(t.TempDir(), "data")}
	b.Deployment = endtoend.Deployment{API: "http://" + b.addr, Stream: "http://" + b.addr, HTTP: &http.Client{}}
	b.start(t)
	t.Cleanup(b.kill)
	b.tenant = b.Signup(t, "cli")
	return b
}

func (b *box) start(t *testing.T) {
	t.Helper()
	b.cmd = exec.Command(filepath.Join(built.dir, "onebox"), "-addr", b.addr, "-data", b.data, "-demo=false")
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if a, err := b.Do(ctx, "GET", "/readyz", "", nil); err == nil && a.Status == 200 {
			tick.Stop()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal("onebox is not ready within a minute")
		case <-tick.C:
		}
	}
}

// kill ends onebox with SIGKILL.
func (b *box) kill() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
}

// machine returns a developer's machine with the tenant's key in its environment.
func (b *box) machine(t *testing.T) *machine {
	d := newMachine(t)
	d.vars = map[string]string{envKey: b.tenant.Key, envAPI: b.API}
	return d
}

// source registers a source of the provider and returns its id, URL and secret.
func (b *box) source(t *testing.T, provider, channel string) (s endtoend.Source) {
	t.Helper()
	scheme, _ := signing.Lookup(provider)
	s.Secret = scheme.NewSecret(strings.NewReader(strings.Repeat("k", 200)))
	b.Must(t, "POST", "/v1/sources", b.tenant.Key, map[string]string{
		"name": provider, "provider": provider, "secret": s.Secret, "channel": channel,
	}).Want(t, 201).JSON(t, &s)
	return s
}

// hook posts a signed body as the provider would, and returns the signed headers.
func (b *box) hook(t *testing.T, provider string, s endtoend.Source, id, body string, header ...string) http.Header {
	t.Helper()
	scheme, _ := signing.Lookup(provider)
	key, err := scheme.ParseSecret(s.Secret)
	if err != nil {
		t.Fatal(err)
	}
	h, err := scheme.Sign(key, signing.Request{Method: "POST", URL: s.URL, Body: []byte(body)}, id, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = h
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Header.Set("Cookie", "a=canary")
	res, err := b.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 202 {
		answer, _ := io.ReadAll(res.Body)
		t.Fatalf("the webhook got status %d, want 202: %s", res.StatusCode, answer)
	}
	return h
}

func (b *box) publish(t *testing.T, channel, typ, data string) {
	t.Helper()
	var made struct{ ID string }
	b.Must(t, "POST", "/v1/channels/"+channel+"/events", b.tenant.Key,
		map[string]any{"type": typ, "data": json.RawMessage(data)}).Want(t, 202).JSON(t, &made)
	awaitAppended(t, b, made.ID)
}

// pasted runs a line in a shell and returns its output.
func pasted(t *testing.T, line string) string {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("curl is missing")
		}
		t.Skip("curl is missing, so the printed line cannot be run")
	}
	out, err := exec.Command("sh", "-c", line).CombinedOutput()
	if err != nil {
		t.Fatalf("pasted line failed: %v\n%s\n%s", err, line, out)
	}
	return string(out)
}
