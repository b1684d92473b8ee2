package awsenv

import (
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Namespace is that of all metrics.
const Namespace = "Hookcast"

// Metrics writes measurements as lines of a log, which CloudWatch makes metrics of
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html). They have two
// dimensions, Table and Program, so that two deployments in one account are told apart; never a tenant, which would be a metric each.
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

// Measure writes values that belong together as one line: lines are paid for by their bytes. A duration is in milliseconds, and everything else
// a count; what is no number is left out.
func (m *Metrics) Measure(values ...slog.Attr) {
	m.measure([]string{"Table", "Program"}, values)
}

// MeasureAll is Measure for what all processes of a kind measure together, under the dimension Table alone.
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
		metrics = append(metrics, measurement{v.Key, unit})
	}
	if len(metrics) == 0 {
		return
	}
	line["_aws"] = map[string]any{
		"Timestamp":         time.Now().UnixMilli(),
		"CloudWatchMetrics": []directive{{Namespace, [][]string{dimensions}, metrics}},
	}
	if b, err := json.Marshal(line); err == nil {
		_, _ = m.out.Write(append(b, '\n'))
	}
}

// lineWriter keeps the lines of the log and of the metrics apart.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
