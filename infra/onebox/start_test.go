package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// opened returns a box on data that does not serve; it is closed with the test.
func opened(t *testing.T, data string) *box {
	t.Helper()
	b, err := open(t.Context(), config{data: data, publicURL: "http://127.0.0.1:8080", signup: true, demo: true},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return b
}

// once creates the folder as a first start leaves it, and returns it.
func once(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	opened(t, data).close()
	return data
}

func TestWhatCannotBeServedIsRefusedInOneClearLine(t *testing.T) {
	put := func(name string, b []byte) func(*testing.T) []string {
		return func(t *testing.T) []string {
			data := once(t)
			if err := os.WriteFile(filepath.Join(data, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
			return []string{"-data", data}
		}
	}
	flags := func(args ...string) func(*testing.T) []string {
		return func(t *testing.T) []string { return append(args, "-data", filepath.Join(t.TempDir(), "data")) }
	}
	for name, c := range map[string]struct {
		args func(*testing.T) []string
		want []string
	}{
		"a vault.key cut short": {put("vault.key", []byte("short")), []string{"vault.key", "32 bytes"}},
		"a vault.key of another deployment": {put("vault.key", bytes.Repeat([]byte("k"), 32)),
			[]string{"hookcast.db", "vault.key"}},
		"an operator.key that is empty": {put("operator.key", nil),
			[]string{"operator.key", "the API key is malformed"}},
		"an operator.key that is a tenant's": {func(t *testing.T) []string {
			data := filepath.Join(t.TempDir(), "data")
			b := opened(t, data)
			_, _, secret, err := b.Accounts.Signup(t.Context(), "Acme", "dev@acme.test")
			if err != nil {
				t.Fatal(err)
			}
			b.close()
			if err := os.WriteFile(filepath.Join(data, "operator.key"), []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
			return []string{"-data", data}
		}, []string{"operator.key", "hk_oper_"}},
		"a database that is none": {func(t *testing.T) []string {
			args := put("hookcast.db", bytes.Repeat([]byte("junk"), 5000))(t)
			for _, suffix := range []string{"-wal", "-shm"} {
				if err := os.RemoveAll(filepath.Join(args[1], "hookcast.db"+suffix)); err != nil {
					t.Fatal(err)
				}
			}
			return args
		}, []string{"hookcast.db", "not a database"}},
		"a demo.json that is none": {put("demo.json", []byte("{")), []string{"demo.json"}},
		"a folder in use": {func(t *testing.T) []string {
			data := filepath.Join(t.TempDir(), "data")
			opened(t, data)
			return []string{"-data", data}
		}, []string{"hookcast.db", "another process"}},
		"a folder that is a file": {func(t *testing.T) []string {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return []string{"-data", path}
		}, []string{"not a directory"}},
		"a port in use": {func(t *testing.T) []string {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { ln.Close() })
			return append(flags()(t), "-addr", ln.Addr().String())
		}, []string{"address already in use"}},
		"a public address without a scheme": {flags("-public-url", "hooks.example.com"),
			[]string{"-public-url", "https://"}},
		"a public address with a query": {flags("-public-url", "https://hooks.example.com/?a=b"),
			[]string{"-public-url"}},
		"hops below none":              {flags("-trusted-hops", "-1"), []string{"-trusted-hops"}},
		"a drain of less than no time": {flags("-drain", "-1s"), []string{"-drain"}},
		"a word too many":              {flags("serve"), []string{`"serve"`}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			args := append([]string{"-addr", "127.0.0.1:0"}, c.args(t)...)
			err := run(ctx, args, io.Discard, io.Discard)
			if err == nil || ctx.Err() != nil {
				t.Fatalf("onebox served, want an error: %v", err)
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "kkkk") ||
				strings.Contains(err.Error(), "hk_live_") {
				t.Errorf("the error %q has several lines or a secret", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, want it to contain %q", err, want)
				}
			}
		})
	}
}

func TestTheDemoIsMadeAnewWhereItsTenantIsGone(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first := opened(t, data)
	gone := first.demo.Tenant
	if err := first.Erasure.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	first.close()
	second := opened(t, data)
	made := second.demo.demoTenant
	if made.Tenant == gone {
		t.Fatal("the demo belongs to a deleted tenant")
	}
	second.close()
	if again := opened(t, data).demo.demoTenant; again != made {
		t.Errorf("the demo's tenant changed with a restart from %s to %s", made.Tenant, again.Tenant)
	}
}

func TestTheDemoPageIsForThisMachineAndAllElseIsAProblem(t *testing.T) {
	d := opened(t, filepath.Join(t.TempDir(), "data")).demo
	for name, c := range map[string]struct {
		method, target, from string
		header               string
		status               int
	}{
		"a browser here":                 {"GET", "http://127.0.0.1:8080/", "127.0.0.1:5000", "", 200},
		"a browser here, by name":        {"GET", "http://localhost:8080/", "[::1]:5000", "", 200},
		"another machine":                {"GET", "http://127.0.0.1:8080/", "192.0.2.1:5000", "", 404},
		"a name that is not ours":        {"GET", "http://evil.example:8080/", "127.0.0.1:5000", "", 404},
		"through a proxy":                {"GET", "http://127.0.0.1:8080/", "127.0.0.1:5000", "X-Forwarded-For", 404},
		"another path":                   {"GET", "http://127.0.0.1:8080/nothing", "127.0.0.1:5000", "", 404},
		"two slashes":                    {"GET", "http://127.0.0.1:8080//", "127.0.0.1:5000", "", 404},
		"two slashes before a real path": {"POST", "http://127.0.0.1:8080//in/x", "127.0.0.1:5000", "", 404},
		"another method":                 {"POST", "http://127.0.0.1:8080/", "127.0.0.1:5000", "", 405},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		r.RemoteAddr = c.from
		if c.header != "" {
			r.Header.Set(c.header, "192.0.2.1")
		}
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code != c.status || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: answered %d %v, want %d and no-store", name, w.Code, w.Header(), c.status)
		}
		if c.status != 200 && (w.Header().Get("Content-Type") != "application/problem+json" ||
			w.Header().Get("Request-Id") == "" || strings.Contains(w.Body.String(), d.Secret)) {
			t.Errorf("%s: the refusal is %v %s", name, w.Header(), w.Body)
		}
	}
}
