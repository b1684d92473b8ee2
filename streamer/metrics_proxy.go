package streamer

import (
	"maps"
	"slices"

	"github.com/hookcast/hookcast/streamer/relay"
)

// proxyMetrics are what is counted of other servers' streams.
func proxyMetrics(s relay.Stats) []Metric {
	list := []Metric{
		{Name: "hookcast_proxy_upstreams", Help: "Upstreams that are open or being opened.", Value: float64(s.Upstreams)},
		{Name: "hookcast_proxy_clients", Help: "Clients of upstreams.", Value: float64(s.Clients)},
		{Name: "hookcast_proxy_reconnects_total", Help: "Connections that went on with an upstream.", Counter: true, Value: float64(s.Reconnects)},
		{Name: "hookcast_proxy_events_total", Help: "Events of upstreams handed on.", Counter: true, Value: float64(s.Events)},
		{Name: "hookcast_proxy_gaps_total", Help: "Gaps of upstreams told.", Counter: true, Value: float64(s.Gaps)},
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Refused)) {
		list = append(list, Metric{Name: "hookcast_proxy_refused_total", Help: "Attempts to connect to an upstream that came to nothing, by the code of the error.",
			Counter: true, Labels: `reason="` + reason + `"`, Value: float64(s.Refused[reason])})
	}
	return list
}
