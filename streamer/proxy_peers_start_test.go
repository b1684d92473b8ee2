//go:build linux

package streamer

import (
	"bufio"
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

	"github.com/hookcast/hookcast/infra/endtoend"
)

// missing skips a test for which something is not installed, and fails it where everything has to be.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("%s is missing: nobody knows whether its streams come through a proxy", what)
}

// begin runs a program with all that it starts until the test ends.
func begin(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it ends what it has started
		late := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		defer late.Stop()
		_ = cmd.Wait()
	})
}

// free is an address on which nobody listens now.
func free(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// serving waits until somebody listens at addr.
func serving(t *testing.T, addr string) {
	t.Helper()
	eventually(t, addr+" serves", func() bool {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
}

// answering waits until there is an answer at the address: a program of several parts may listen before they have found each other, and leave who
// comes then without one.
func answering(t *testing.T, url string) {
	t.Helper()
	client := http.Client{Timeout: time.Second}
	eventually(t, url+" answers", func() bool {
		res, err := client.Get(url)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// posts sends bodies, one after the other, until each is taken.
func posts(t *testing.T, url, contentType, body string) {
	t.Helper()
	var last string
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		res, err := http.Post(url, contentType, strings.NewReader(body))
		if err != nil {
			last = err.Error()
			continue
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode < 300 {
			return
		}
		last = res.Status + " " + string(b)
	}
	t.Fatalf("%s: %s", url, last)
}

// startNchan starts nginx with nchan (https://nchan.io/), which keeps what it was told. A break is one of the connection: with its
// process it would lose what it keeps.
func startNchan(t *testing.T) peer {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		missing(t, "nginx")
	}
	if _, err := os.Stat("/usr/lib/nginx/modules/ngx_nchan_module.so"); err != nil {
		missing(t, "libnginx-mod-nchan")
	}
	dir, addr := t.TempDir(), free(t)
	for at := dir; at != filepath.Clean(os.TempDir()) && at != "/"; at = filepath.Dir(at) { // its worker is nobody
		if err := os.Chmod(at, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	conf := fmt.Sprintf(`load_module modules/ngx_nchan_module.so;
worker_processes 1; daemon off; pid %[1]s/pid; error_log %[1]s/error.log warn;
events { worker_connections 512; }
http {
  access_log off; keepalive_requests 1000000; nchan_shared_memory_size 64M;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  server {
    listen %[2]s;
    location = /sub { nchan_subscriber eventsource; nchan_channel_id numbers; nchan_subscriber_first_message newest; }
    location = /pub { nchan_publisher; nchan_channel_id numbers; nchan_message_buffer_length 20000; nchan_message_timeout 1h; }
  }
}
`, dir, addr)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	begin(t, nginx, "-p", "/usr/share/nginx/", "-c", path)
	serving(t, addr)
	between := newMiddle(t, addr)
	return peer{
		url: "http://" + between.Addr().String() + "/sub", resumes: true,
		publish: func(from, to int) {
			for n := from; n <= to; n++ {
				posts(t, "http://"+addr+"/pub", "text/plain", fmt.Sprint(n))
			}
		},
		cut: between.cut,
	}
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

func (m *middle) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.open {
		c.Close()
	}
	m.open = nil
}

// startPushpin starts pushpin (https://pushpin.org/) in front of an origin that holds every stream. It keeps nothing. A break is one of the connection.
func startPushpin(t *testing.T) peer {
	for _, program := range []string{"pushpin", "zurl"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program)
		}
	}
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
	dir, addr, publish := t.TempDir(), free(t), free(t)
	_, port, _ := net.SplitHostPort(addr)
	_, publishPort, _ := net.SplitHostPort(publish)
	files := map[string]string{
		"routes":    "* " + origin.Addr().String() + "\n",
		"zurl.conf": fmt.Sprintf("[General]\nin_spec=ipc://%[1]s/zurl-in\nin_stream_spec=ipc://%[1]s/zurl-in-stream\nout_spec=ipc://%[1]s/zurl-out\ndefpolicy=allow\nallow=*\n", dir),
		"pushpin.conf": fmt.Sprintf(`[global]
include={libdir}/internal.conf
rundir=%[1]s
ipc_prefix=hookcast-%[2]s-
port_offset=0
[runner]
services=condure,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:%[2]s
logdir=%[1]s
log_level=1
client_buffer_size=8192
client_maxconn=100
[proxy]
routesfile=%[1]s/routes
zurl_out_specs=ipc://%[1]s/zurl-in
zurl_out_stream_specs=ipc://%[1]s/zurl-in-stream
zurl_in_specs=ipc://%[1]s/zurl-out
updates_check=off
[handler]
push_in_spec=tcp://%[4]s
push_in_sub_specs=tcp://%[5]s
push_in_http_addr=127.0.0.1
push_in_http_port=%[3]s
command_spec=tcp://%[6]s
message_rate=1000000
message_hwm=1000000
message_wait=5000
connection_subscription_max=20
subscription_linger=60
stats_connection_ttl=120
stats_subscription_ttl=60
stats_report_interval=10
`, dir, port, publishPort, free(t), free(t), free(t)),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	begin(t, "zurl", "--config="+filepath.Join(dir, "zurl.conf"), "--loglevel=1")
	begin(t, "pushpin", "--config="+filepath.Join(dir, "pushpin.conf"))
	serving(t, publish)
	answering(t, "http://"+addr+"/")
	between := newMiddle(t, addr)
	return peer{
		url: "http://" + between.Addr().String() + "/",
		publish: func(from, to int) {
			for from <= to {
				var items []string
				for ; from <= to && len(items) < 100; from++ {
					items = append(items, fmt.Sprintf(`{"channel":"numbers","formats":{"http-stream":{"content":"data: %d\n\n"}}}`, from))
				}
				posts(t, "http://"+publish+"/publish/", "application/json", `{"items":[`+strings.Join(items, ",")+`]}`)
			}
		},
		cut: between.cut,
	}
}

// startOnNode starts servers that npm has.
func startOnNode(t *testing.T, path string, resumes bool) peer {
	packages := endtoend.Packages(t, "peers", "nobody knows whether its streams come through a proxy")
	script, err := filepath.Abs("peers/servers.mjs")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", script)
	cmd.Dir = packages
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr = "http://" + strings.TrimSpace(addr)
	return peer{
		url: addr + path, resumes: resumes,
		publish: func(from, to int) {
			for from <= to {
				n := min(200, to-from+1)
				posts(t, fmt.Sprintf("%s/publish?n=%d", addr, n), "text/plain", "")
				from += n
			}
		},
		cut: func() { posts(t, addr+"/cut", "text/plain", "") },
	}
}
