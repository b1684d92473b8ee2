//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// nchanConf is nginx with nchan (https://nchan.io/): one worker, the last 100 events of a channel kept in memory.
const nchanConf = `load_module modules/ngx_nchan_module.so;
worker_processes 1;
daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log warn;
events { worker_connections 19900; use epoll; multi_accept on; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  keepalive_requests 1000000;
  tcp_nodelay on;
  nchan_shared_memory_size 512M;
  server {
    listen %[2]s backlog=8192;
    location ~ ^/sub/(\w+)$ { nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message newest; }
    location ~ ^/pub/(\w+)$ { nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 100; nchan_message_timeout 5m; }
  }
}
`

const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

func startNchan(s *server, dir string) error {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return errMissing
	}
	if _, err := os.Stat(nchanModule); err != nil {
		return errMissing
	}
	addr, conf := freeAddr(), filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nchanConf, dir, addr), 0o600); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o777); err != nil { // its worker is nobody
		return err
	}
	if err := s.processes.start(dir, nginx, nil, "-p", "/usr/share/nginx/", "-c", conf); err != nil {
		return err
	}
	s.plain(addr)
	return listening(addr)
}

// pushpinConf is pushpin (https://pushpin.org/docs/configuration/) with its limits out of the way: 2,500 deliveries a second as shipped.
const pushpinConf = `[global]
include={libdir}/internal.conf
rundir=%[1]s
ipc_prefix=bench-
port_offset=0
[runner]
services=condure,pushpin-proxy,pushpin-handler
http_port=%[2]s
logdir=%[1]s
log_level=1
client_buffer_size=8192
client_maxconn=19500
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
message_rate=100000000
message_hwm=100000000
message_wait=5000
connection_subscription_max=20
subscription_linger=60
stats_connection_ttl=120
stats_subscription_ttl=60
stats_report_interval=10
`

const zurlConf = `[General]
in_spec=ipc://%[1]s/zurl-in
in_stream_spec=ipc://%[1]s/zurl-in-stream
out_spec=ipc://%[1]s/zurl-out
defpolicy=allow
allow=*
`

// startPushpin leaves the origin behind pushpin uncharged: it is the user's.
func (b *bench) startPushpin(s *server, dir string) error {
	for _, program := range []string{"pushpin", "zurl"} {
		if _, err := exec.LookPath(program); err != nil {
			return errMissing
		}
	}
	addr, publish, origin := freeAddr(), freeAddr(), &server{name: "origin"}
	if err := b.startOwn(origin, dir); err != nil {
		return err
	}
	b.also = append(b.also, origin)
	_, port, _ := net.SplitHostPort(publish)
	files := map[string]string{
		"pushpin.conf": fmt.Sprintf(pushpinConf, dir, addr, port, freeAddr(), freeAddr(), freeAddr()),
		"zurl.conf":    fmt.Sprintf(zurlConf, dir),
		"routes":       "* " + origin.addr + "\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := s.processes.start(dir, "zurl", nil, "--config="+filepath.Join(dir, "zurl.conf"), "--loglevel=1"); err != nil {
		return err
	}
	if err := s.processes.start(dir, "pushpin", nil, "--config="+filepath.Join(dir, "pushpin.conf")); err != nil {
		return err
	}
	s.plain(addr)
	s.publishAddr, s.publishHeader = publish, "Content-Type: application/json\r\n"
	s.publishPath = func(int) string { return "/publish/" }
	s.body = func(dst []byte, m mark, size int) []byte {
		content, _ := json.Marshal("data: " + string(m.appendData(nil, size)) + "\n\n")
		return fmt.Appendf(dst, `{"items":[{"channel":"c%d","formats":{"http-stream":{"content":%s}}}]}`, m.channel, content)
	}
	if err := listening(addr); err != nil {
		return err
	}
	return listening(publish)
}

// packages are the Debian packages of a peer, for a message.
var packages = map[string]string{"nchan": "nginx-light libnginx-mod-nchan", "pushpin": "pushpin zurl"}

var errMissing = errors.New("not installed")

func isMissing(err error) bool { return errors.Is(err, errMissing) }
