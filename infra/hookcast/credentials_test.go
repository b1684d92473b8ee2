package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func tenantServer(t *testing.T) (*httptest.Server, *[]string) {
	var keys []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Authorization"))
		if r.URL.Path == "/v1/stream" {
			problem(400, "channel_missing", "Name the channels.")(w, r)
			return
		}
		w.Write([]byte(`{"id":"ten_1","name":"Ac\u001b[31mme"}`))
	}))
	t.Cleanup(s.Close)
	return s, &keys
}

func TestLoginKeepsTheKeyForItsOwnerAlone(t *testing.T) {
	s, keys := tenantServer(t)
	d, key := newMachine(t), testKey()
	d.stdin = strings.NewReader(key + "\n")
	d.runs(t, 0, "login", "-api", s.URL+"/")
	path := filepath.Join(d.dir, "credentials.json")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("credentials file: got %v, %v, want mode 0600", info, err)
	}
	if said := d.out.String(); strings.Contains(said, key) || strings.ContainsRune(said, 27) ||
		!strings.Contains(said, "Ac<U+001B>[31mme") {
		t.Errorf("login printed %q, want the escaped name of the tenant and no key", said)
	}
	c, err := d.credentials()
	if err != nil || c.Key != key || c.API != s.URL || c.Stream != s.URL || (*keys)[0] != "Bearer "+key {
		t.Errorf("credentials = %+v, %v, want the key for %s; the server got %q", c, err, s.URL, *keys)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		before := len(*keys)
		d.runs(t, exitFailed, "tail", "a")
		if said := d.err.String(); len(*keys) != before ||
			!strings.Contains(said, "can be read or written by others") || strings.Contains(said, key) {
			t.Errorf("with mode %o tail sent the key or printed %q, want a refusal of the file", mode, said)
		}
	}
}

// Attack: a project's environment sends the saved key to the attacker's host.
func TestAKeptKeyGoesNowhereElse(t *testing.T) {
	s, _ := tenantServer(t)
	evil, stolen := tenantServer(t)
	d := newMachine(t)
	d.stdin = strings.NewReader(testKey())
	d.runs(t, 0, "login", "-api", s.URL)
	for _, name := range []string{envAPI, envStream} {
		d.vars = map[string]string{name: evil.URL}
		d.runs(t, exitUsage, "tail", "a")
		d.runs(t, exitUsage, "publish", "a", "1")
	}
	if len(*stolen) > 0 {
		t.Fatalf("the other host received %q, want nothing", *stolen)
	}
	own := testKey()
	d.vars = map[string]string{envAPI: evil.URL, envKey: own}
	if c, err := d.credentials(); err != nil || c.Key != own || c.API != evil.URL || c.Stream != evil.URL {
		t.Errorf("with a key and an API address in the environment credentials = %+v, %v", c, err)
	}
	d.vars = map[string]string{envKey: own}
	if c, err := d.credentials(); err != nil || c.Key != own || c.API != s.URL {
		t.Errorf("with a key in the environment credentials = %+v, %v, want the saved address %s", c, err, s.URL)
	}
}

func TestWhereAKeyMayGo(t *testing.T) {
	for base, ok := range map[string]bool{
		"https://hooks.example.com": true, "http://localhost:8080": true, "http://127.0.0.1:1": true,
		"http://[::1]:1": true, "http://10.1.2.3": true, "http://hookcast:8080": true,
		"http://app.localhost":     true,
		"http://hooks.example.com": false, "http://93.184.216.34": false, "ftp://localhost": false,
		"localhost:8080": false, "": false, "https://a:b@localhost": false, "https://x?y": false,
		"http://localhost.example.com": false, "https://x#y": false,
	} {
		if err := checkBase(base); (err == nil) != ok {
			t.Errorf("checkBase(%q) = %v, want accepted: %v", base, err, ok)
		} else if err != nil && exitOf(err) != exitUsage {
			t.Errorf("checkBase(%q) leads to exit code %d, want %d", base, exitOf(err), exitUsage)
		}
	}
}

func TestWithoutAKey(t *testing.T) {
	d := newMachine(t)
	d.runs(t, exitRefused, "tail", "a")
	d.vars = map[string]string{envKey: "sk_live_canary", envAPI: "http://localhost:1"}
	d.runs(t, exitRefused, "tail", "a")
	d.runs(t, exitRefused, "listen", "-forward", "localhost:1", "a")
	if said := d.err.String(); strings.Contains(said, "canary") || !strings.Contains(said, "run hookcast login") {
		t.Errorf("printed %q, want advice to run hookcast login and no key", said)
	}
}

func TestCalledWrongly(t *testing.T) {
	d := newMachine(t)
	d.vars = map[string]string{envKey: testKey(), envAPI: "http://localhost:1"}
	for _, line := range []string{
		"", "dance", "tail", "tail A", "tail -colour a", "publish", "publish a {", "publish a 1 2", "listen a",
		"listen -forward ftp://x a", "listen -forward localhost:1 A.b*", "listen -forward http://u:p@h a",
		"sign", "sign -provider nobody", "sign -provider github", "login key", "trace", "trace evt_1",
	} {
		d.runs(t, exitUsage, strings.Fields(line)...)
	}
	d.runs(t, 0, "help")
	d.runs(t, 0, "listen", "-h")
	if said := d.err.String(); strings.Contains(said, d.vars[envKey]) {
		t.Errorf("the output contains the key: %q", said)
	}
}
