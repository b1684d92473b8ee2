package peers

import (
	"fmt"
	"net"
	"path/filepath"
)

// pushpinConf configures pushpin (https://pushpin.org/docs/configuration/) with limits out of the way; the default is
// 2,500 deliveries per second.
const pushpinConf = `[global]
include={libdir}/internal.conf
rundir=%[1]s
ipc_prefix=hookcast-
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

// Pushpin sets up pushpin (https://pushpin.org/) in front of an origin, which answers requests for streams and names
// their channels. POST /publish/ publishes items (https://pushpin.org/docs/usage/#publishing). It keeps none.
func Pushpin(dir, origin string) (Setup, error) {
	if err := installed("pushpin", "zurl"); err != nil {
		return Setup{}, err
	}
	addr, publish := FreeAddr(), FreeAddr()
	_, port, _ := net.SplitHostPort(publish)
	return Setup{
			Programs: [][]string{
				{"zurl", "--config=" + filepath.Join(dir, "zurl.conf"), "--loglevel=1"},
				{"pushpin", "--config=" + filepath.Join(dir, "pushpin.conf")},
			},
			Addr: addr, Publish: publish,
		}, write(dir, map[string]string{
			"pushpin.conf": fmt.Sprintf(pushpinConf, dir, addr, port, FreeAddr(), FreeAddr(), FreeAddr()),
			"zurl.conf":    fmt.Sprintf(zurlConf, dir),
			"routes":       "* " + origin + "\n",
		})
}
