package streamer

import (
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/gofiber/fiber/v2"
)

// Metric is one sample of /metrics in Prometheus' text format (version 0.0.4). Its labels must not name a tenant.
type Metric struct {
	Name    string // hookcast_…, with _total for a counter
	Help    string
	Counter bool // otherwise a gauge or part of a histogram
	// Histogram is the histogram that the sample is part of; Name is then Histogram followed by _bucket, _sum or
	// _count.
	Histogram string
	Labels    string // `plan="free"`; "": none. Samples of one name or histogram must be adjacent
	Value     float64
}

// requestCounter counts responses by the first digit of their status.
type requestCounter [6]atomic.Int64

func (r *requestCounter) count(status int) {
	if class := status / 100; class > 0 && class < len(r) {
		r[class].Add(1)
	}
}

// metrics serves /metrics to clients on this machine, and to others with the operator's key. Behind a proxy every
// client seems to be on this machine, so that the key is always required.
func (a *App) metrics(c *fiber.Ctx) error {
	if err := a.admitOperator(c); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "text/plain; version=0.0.4; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.SendString(expose(a.samples()))
}

func (a *App) admitOperator(c *fiber.Ctx) error {
	h := &c.Context().Request.Header
	direct := a.o.TrustedHops == 0 && len(h.Peek(fiber.HeaderXForwardedFor)) == 0 && len(h.Peek("Forwarded")) == 0
	if direct && c.Context().RemoteIP().IsLoopback() {
		return nil
	}
	return a.operator(h)
}

func (a *App) samples() []Metric {
	list := []Metric{
		{Name: "hookcast_ready", Help: "1 if the node takes new clients.", Value: boolValue(a.ready() == nil)},
		{Name: "hookcast_draining", Help: "1 if the node is going out of service.",
			Value: boolValue(a.draining.Load())},
	}
	for class := 1; class < len(a.requests); class++ {
		list = append(list, Metric{Name: "hookcast_requests_total",
			Help: "Responses by the first digit of their status.", Counter: true,
			Labels: `class="` + strconv.Itoa(class) + `xx"`, Value: float64(a.requests[class].Load())})
	}
	if l := a.listener.Load(); l != nil {
		list = append(list,
			Metric{Name: "hookcast_sockets_open", Help: "Client connections, including streams.",
				Value: float64(l.count())},
			Metric{Name: "hookcast_sockets_mark",
				Help: "Number of client connections from which on no more streams are opened.", Value: float64(l.mark)},
			Metric{Name: "hookcast_sockets_refused_total",
				Help: "Connections closed without a response because descriptors ran out.", Counter: true,
				Value: float64(l.refused.Load())},
		)
	}
	list = append(list, hubMetrics(a.o.Hub.Stats())...)
	list = append(list, Metric{Name: "hookcast_trace_dropped_total",
		Help: "Trace records that were dropped instead of written.", Counter: true,
		Value: float64(a.o.Tracer.Dropped())})
	if a.o.Relay != nil {
		list = append(list, proxyMetrics(a.o.Relay.Stats())...)
	}
	list = append(list, processMetrics()...)
	if a.o.Metrics != nil {
		list = append(list, a.o.Metrics()...)
	}
	return list
}

func processMetrics() []Metric {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(heap)
	list := []Metric{
		{Name: "hookcast_goroutines", Help: "Number of goroutines.", Value: float64(runtime.NumGoroutine())},
		{Name: "hookcast_heap_bytes", Help: "Bytes of heap objects that are live or not yet swept.",
			Value: float64(heap[0].Value.Uint64())},
		{Name: "hookcast_go_memory_bytes", Help: "All memory that the Go runtime has mapped.",
			Value: float64(heap[1].Value.Uint64())},
		{Name: "hookcast_gc_cycles_total", Help: "Completed garbage collections.", Counter: true,
			Value: float64(heap[2].Value.Uint64())},
		{Name: "hookcast_descriptors_limit", Help: "Descriptors that the process may have open.",
			Value: float64(descriptorLimit())},
	}
	if n, ok := descriptorsOpen(); ok {
		list = append(list, Metric{Name: "hookcast_descriptors_open", Help: "Descriptors that the process has open.",
			Value: float64(n)})
	}
	return list
}

// descriptorsOpen counts the descriptors that the process holds. Linux 6.2 and later reports the number without
// listing them all.
func descriptorsOpen() (n int64, ok bool) {
	const all = "/proc/self/fd"
	if dir, err := os.Stat(all); err == nil && dir.Size() > 0 {
		return dir.Size(), true
	}
	fds, err := os.ReadDir(all)
	return int64(len(fds)), err == nil
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// expose writes samples in Prometheus' text format.
func expose(list []Metric) string {
	var b strings.Builder
	last := ""
	for _, m := range list {
		family, kind := m.Name, "gauge"
		switch {
		case m.Histogram != "":
			family, kind = m.Histogram, "histogram"
		case m.Counter:
			kind = "counter"
		}
		if family != last {
			b.WriteString("# HELP " + family + " " + m.Help + "\n# TYPE " + family + " " + kind + "\n")
			last = family
		}
		b.WriteString(m.Name)
		if m.Labels != "" {
			b.WriteString("{" + m.Labels + "}")
		}
		b.WriteString(" " + strconv.FormatFloat(m.Value, 'g', -1, 64) + "\n")
	}
	return b.String()
}
