package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// nchanConf configures nginx with nchan: one worker, and the last messages kept in memory only.
const nchanConf = `load_module modules/ngx_nchan_module.so;
worker_processes 1;
daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log warn;
events { worker_connections 19900; use epoll; multi_accept on; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  keepalive_requests 1000000;
  tcp_nodelay on;
  nchan_shared_memory_size 512M;
  server {
    listen %[2]s backlog=8192;
    location ~ ^/sub/(\w+)$ {
      nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message newest;
    }
    location ~ ^/pub/(\w+)$ {
      nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length %[3]d; nchan_message_timeout 1h;
    }
  }
}
`

const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

// Nchan sets up nginx with nchan (https://nchan.io/), which keeps the last events of a channel, as many as keep says.
// GET /sub/NAME subscribes to a channel, and POST /pub/NAME publishes the body unchanged.
func Nchan(dir string, keep int) (Setup, error) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return Setup{}, ErrMissing
	}
	if _, err := os.Stat(nchanModule); err != nil {
		return Setup{}, ErrMissing
	}
	if err := os.Chmod(dir, 0o777); err != nil { // its worker runs as the user nobody
		return Setup{}, err
	}
	addr := FreeAddr()
	return Setup{
		Programs: [][]string{{nginx, "-p", "/usr/share/nginx/", "-c", filepath.Join(dir, "nginx.conf")}},
		Addr:     addr, Publish: addr,
	}, write(dir, map[string]string{"nginx.conf": fmt.Sprintf(nchanConf, dir, addr, keep)})
}
