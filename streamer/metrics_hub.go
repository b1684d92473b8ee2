package streamer

import (
	"maps"
	"slices"

	"github.com/hookcast/hookcast/streamer/hub"
)

// hubMetrics are the hub's own counts.
func hubMetrics(s hub.Stats) []Metric {
	list := []Metric{
		{Name: "hookcast_connections", Help: "Streams and waiting polls.", Value: float64(s.Connections)},
		{Name: "hookcast_channels", Help: "Channels that this node serves.", Value: float64(s.Channels)},
		{Name: "hookcast_recent_bytes", Help: "Recent events and pages kept in memory.", Value: float64(s.Memory)},
	}
	for _, c := range []struct {
		name, help string
		n          int64
	}{
		{"hookcast_connections_accepted_total", "Streams and polls since the start.", s.Accepted},
		{"hookcast_writes_total", "Writes of events; several events may go in one.", s.Writes},
		{"hookcast_deliveries_total", "Events written to a connection.", s.Deliveries},
		{"hookcast_delivered_bytes_total", "Bytes of events written.", s.Bytes},
		{"hookcast_repeats_total", "Events that came again and were dropped.", s.Repeats},
		{"hookcast_recovered_total", "Events that no notice brought in time and the log did.", s.Recovered},
		{"hookcast_gaps_total", "Gaps told.", s.Gaps},
		{"hookcast_replay_reads_total", "Reads of the log for subscribers that are behind.", s.ReplayReads},
		{"hookcast_troubles_total", "Failed reads and writes that were tried again.", s.Troubles},
	} {
		list = append(list, Metric{Name: c.name, Help: c.help, Counter: true, Value: float64(c.n)})
	}
	for _, cause := range slices.Sorted(maps.Keys(s.Ended)) {
		list = append(list, Metric{Name: "hookcast_connections_ended_total", Help: "Connections that are over, by cause.", Counter: true,
			Labels: `cause="` + cause + `"`, Value: float64(s.Ended[cause])})
	}
	return list
}
