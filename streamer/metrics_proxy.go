package streamer

import (
	"maps"
	"slices"

	"github.com/hookcast/hookcast/streamer/relay"
)

// proxyMetrics returns the counts of the upstreams of proxies.
func proxyMetrics(s relay.Stats) []Metric {
	list := []Metric{
		{Name: "hookcast_proxy_upstreams", Help: "Upstreams that are open or being opened.",
			Value: float64(s.Upstreams)},
		{Name: "hookcast_proxy_clients", Help: "Clients of upstreams.", Value: float64(s.Clients)},
		{Name: "hookcast_proxy_reconnects_total", Help: "Connections that resumed an upstream.", Counter: true,
			Value: float64(s.Reconnects)},
		{Name: "hookcast_proxy_events_total", Help: "Forwarded events of upstreams.", Counter: true,
			Value: float64(s.Events)},
		{Name: "hookcast_proxy_gaps_total", Help: "Reported gaps of upstreams.", Counter: true, Value: float64(s.Gaps)},
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Refused)) {
		list = append(list, Metric{Name: "hookcast_proxy_refused_total",
			Help:    "Failed attempts to connect to an upstream, by the code of the error.",
			Counter: true, Labels: `reason="` + reason + `"`, Value: float64(s.Refused[reason])})
	}
	return list
}
