package awsenv

import (
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Namespace is the namespace of all metrics.
const Namespace = "Hookcast"

// Metrics writes measurements as log lines that CloudWatch converts to metrics
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
// They have the dimensions Table and Program, which distinguish deployments in one account. A tenant must not be a
// dimension, because each would be a metric of its own.
type Metrics struct {
	out            io.Writer
	table, program string
}

type measurement struct {
	Name string
	Unit string
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []measurement
}

// Measure writes values as one line; AWS charges for the bytes of lines. Durations are in milliseconds and integers
// are counts. Other values are ignored.
func (m *Metrics) Measure(values ...slog.Attr) {
	m.measure([]string{"Table", "Program"}, values)
}

// MeasureAll is like Measure for values that describe the whole deployment. They have only the dimension Table.
func (m *Metrics) MeasureAll(values ...slog.Attr) {
	m.measure([]string{"Table"}, values)
}

func (m *Metrics) measure(dimensions []string, values []slog.Attr) {
	line := map[string]any{"Table": m.table, "Program": m.program}
	var metrics []measurement
	for _, v := range values {
		unit := "Count"
		switch v.Value.Kind() {
		case slog.KindDuration:
			unit = "Milliseconds"
			line[v.Key] = float64(v.Value.Duration()) / float64(time.Millisecond)
		case slog.KindInt64:
			line[v.Key] = v.Value.Int64()
		default:
			continue
		}
		metrics = append(metrics, measurement{Name: v.Key, Unit: unit})
	}
	if len(metrics) == 0 {
		return
	}
	line["_aws"] = map[string]any{
		"Timestamp":         time.Now().UnixMilli(),
		"CloudWatchMetrics": []directive{{Namespace: Namespace, Dimensions: [][]string{dimensions}, Metrics: metrics}},
	}
	if b, err := json.Marshal(line); err == nil {
		_, _ = m.out.Write(append(b, '\n'))
	}
}

// lineWriter serializes writes, so that lines of the log and of metrics do not mix.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
