package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend/browser"
	"github.com/hookcast/hookcast/streamer/peers"
)

const tabs = 20

// openTabs opens pages of one origin, each with the snippet connected to channel orders.
func openTabs(t *testing.T, origin, token, options string) (pages []*browser.Page) {
	for range tabs {
		p := browser.NewPage(t, origin+"/healthz")
		p.Define(`var events = [], states = [], c`)
		p.Get(fmt.Sprintf(`new Promise((done) => {
			const s = document.createElement("script")
			s.src = "/embed.js"
			s.onload = () => {
				const onstate = (s, why) => states.push([s, why])
			c = Hookcast.connect(Object.assign({channels: "orders", token: %q, onstate}, %s))
				c.on("*", (e) => events.push(e.seq))
				done()
			}
			document.head.append(s)
		})`, token, options))
		pages = append(pages, p)
	}
	return pages
}

// Without HTTP/2 a browser has six connections per host for all of its tabs. One of them is enough for twenty tabs.
func TestTwentyTabsShareOneConnection(t *testing.T) {
	p := start(t, peers.FreeAddr(), filepath.Join(t.TempDir(), "data"))
	tenant := p.Signup(t, "tabs")
	pages := openTabs(t, "http://"+p.addr, p.Token(t, tenant, "ann", "orders"), "{}")
	for _, page := range pages {
		page.Wait(`c.state === "open"`)
	}
	leader := -1
	for i, page := range pages {
		if page.Get(`c.transport`) != `"tab"` {
			if leader >= 0 {
				t.Fatalf("tabs %d and %d both have a connection", leader, i)
			}
			leader = i
		}
	}
	if leader < 0 {
		t.Fatal("no tab has a connection")
	}
	if n := p.connections(t, tenant.Key); n != 1 {
		t.Errorf("%d connections for %d tabs, want 1", n, tabs)
	}
	for range 3 {
		p.Must(t, "POST", "/v1/channels/orders/events", tenant.Key,
			map[string]any{"type": "order.created", "data": 1}).Want(t, 202)
	}
	for _, page := range pages {
		page.Wait(`events.length === 3`)
	}
	pages[leader].Run(`c.close()`)
	pages = append(pages[:leader], pages[leader+1:]...)
	for range 3 {
		p.Must(t, "POST", "/v1/channels/orders/events", tenant.Key,
			map[string]any{"type": "order.created", "data": 1}).Want(t, 202)
	}
	for _, page := range pages {
		page.Wait(`events.length === 6`)
		page.Want(`events`, []int{1, 2, 3, 4, 5, 6})
	}
}

// connections returns the number of live connections.
func (p *process) connections(t *testing.T, key string) int {
	var list struct{ Data []any }
	p.Must(t, "GET", "/v1/connections", key, nil).Want(t, 200).JSON(t, &list)
	return len(list.Data)
}

// nginxConf configures TLS and HTTP/2 in front of onebox, as a deployment would, with defaults for everything else.
const nginxConf = `daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  server {
    listen %[2]s ssl http2;
    ssl_certificate %[1]s/cert.pem;
    ssl_certificate_key %[1]s/key.pem;
    location / {
      proxy_pass http://%[3]s;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_read_timeout 75s;
    }
  }
}
`

// With HTTP/2 in front each tab can have a stream of its own: the browser sends all of them through one connection.
func TestTwentyTabsHaveTheirOwnStreamsOverHTTP2(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("nginx is not installed, and CI must not skip this test")
		}
		t.Skip("nginx is not installed")
	}
	p := start(t, peers.FreeAddr(), filepath.Join(t.TempDir(), "data"), "-trusted-hops", "1")
	front, dir := peers.FreeAddr(), t.TempDir()
	writeCertificate(t, dir)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, front, p.addr), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's worker runs as nobody
		t.Fatal(err)
	}
	var said strings.Builder
	cmd := exec.Command(nginx, "-p", dir, "-c", conf)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", front); err == nil {
			conn.Close()
			break
		} else if time.Now().After(limit) {
			cmd.Process.Kill()
			cmd.Wait() // its output is complete now
			t.Fatalf("nginx does not serve: %v, it printed %s", err, said.String())
		}
	}
	tenant := p.Signup(t, "tabs")
	pages := openTabs(t, "https://"+front, p.Token(t, tenant, "ann", "orders"), "{share: false}")
	for _, page := range pages {
		page.Wait(`c.state === "open"`)
		page.Want(`c.transport`, "eventsource")
		page.Want(`performance.getEntriesByName(location.origin + "/embed.js")[0].nextHopProtocol`, "h2")
	}
	if n := p.connections(t, tenant.Key); n != tabs {
		t.Errorf("%d connections for %d tabs, want one each", n, tabs)
	}
	for range 3 {
		p.Must(t, "POST", "/v1/channels/orders/events", tenant.Key,
			map[string]any{"type": "order.created", "data": 1}).Want(t, 202)
	}
	for _, page := range pages {
		page.Wait(`events.length === 3`)
		page.Want(`events`, []int{1, 2, 3})
	}
}

// writeCertificate writes the certificate of the standard library's test server, which is valid for 127.0.0.1.
func writeCertificate(t *testing.T, dir string) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	c := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: c.Certificate[0]},
		"key.pem": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
