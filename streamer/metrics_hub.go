package streamer

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
)

// hubMetrics returns the hub's own counts.
func hubMetrics(s hub.Stats) []Metric {
	list := []Metric{
		{Name: "hookcast_channels", Help: "Channels that this node serves.", Value: float64(s.Channels)},
		{Name: "hookcast_recent_bytes", Help: "Bytes of recent events and log pages kept in memory.",
			Value: float64(s.Memory)},
	}
	for _, c := range []struct {
		name, help string
		n          int64
	}{
		{"hookcast_repeats_total", "Repeated events that were dropped.", s.Repeats},
		{"hookcast_recovered_total", "Events that came from the log because no notice brought them in time.",
			s.Recovered},
		{"hookcast_gaps_total", "Gaps reported to subscribers.", s.Gaps},
		{"hookcast_replay_reads_total", "Reads of the log for subscribers that are behind.", s.ReplayReads},
		{"hookcast_troubles_total", "Failed reads and writes that were retried.", s.Troubles},
	} {
		list = append(list, Metric{Name: c.name, Help: c.help, Counter: true, Value: float64(c.n)})
	}
	for _, cause := range slices.Sorted(maps.Keys(s.Ended)) {
		list = append(list, Metric{Name: "hookcast_connections_ended_total", Help: "Ended connections by cause.",
			Counter: true,
			Labels:  `cause="` + cause + `"`, Value: float64(s.Ended[cause])})
	}
	list = append(list, classMetrics(s.Classes)...)
	return append(list, latencyMetrics(s.Classes)...)
}

// classMetrics returns the counts by transport and plan. There are none before the first connection.
func classMetrics(classes []hub.ClassStats) (list []Metric) {
	type class = hub.ClassStats
	for _, m := range []struct {
		name, help string
		counter    bool
		value      func(class) int64
	}{
		{"hookcast_connections", "Streams and waiting polls.",
			false, func(c class) int64 { return c.Connections }},
		{"hookcast_connections_behind", "Streams whose client currently accepts no bytes.",
			false, func(c class) int64 { return c.Behind }},
		{"hookcast_backlog_bytes", "Bytes not yet written to streams.",
			false, func(c class) int64 { return c.Backlog }},
		{"hookcast_connections_accepted_total", "Streams and polls since the start.",
			true, func(c class) int64 { return c.Accepted }},
		{"hookcast_writes_total", "Writes of events; one write may carry several events.",
			true, func(c class) int64 { return c.Writes }},
		{"hookcast_deliveries_total", "Events written to a connection.",
			true, func(c class) int64 { return c.Deliveries }},
		{"hookcast_delivered_bytes_total", "Bytes of events written.",
			true, func(c class) int64 { return c.Bytes }},
	} {
		for _, c := range classes {
			list = append(list, Metric{Name: m.name, Help: m.help, Counter: m.counter, Value: float64(m.value(c)),
				Labels: `plan=` + strconv.Quote(c.Plan) + `,transport=` + strconv.Quote(c.Transport)})
		}
	}
	return list
}

// latencyMetrics returns a histogram for each plan, over all transports.
func latencyMetrics(classes []hub.ClassStats) (list []Metric) {
	const name, help = "hookcast_delivery_seconds",
		"Age of events, since their receipt, when they are written to a live subscriber."
	bounds := hub.Latencies()
	var plans []string
	for _, c := range classes {
		if !slices.Contains(plans, c.Plan) {
			plans = append(plans, c.Plan)
		}
	}
	slices.Sort(plans)
	for _, plan := range plans {
		label := `plan=` + strconv.Quote(plan)
		buckets := make([]int64, len(bounds)+1)
		var sum time.Duration
		for _, c := range classes {
			if c.Plan == plan {
				sum += c.LatencySum
				for i, n := range c.Latency {
					buckets[i] += n
				}
			}
		}
		var total int64
		for i, n := range buckets {
			le := "+Inf"
			if i < len(bounds) {
				le = strconv.FormatFloat(bounds[i].Seconds(), 'g', -1, 64)
			}
			total += n
			list = append(list, Metric{Name: name + "_bucket", Histogram: name, Help: help,
				Labels: label + `,le="` + le + `"`, Value: float64(total)})
		}
		list = append(list,
			Metric{Name: name + "_sum", Histogram: name, Help: help, Labels: label, Value: sum.Seconds()},
			Metric{Name: name + "_count", Histogram: name, Help: help, Labels: label, Value: float64(total)})
	}
	return list
}
