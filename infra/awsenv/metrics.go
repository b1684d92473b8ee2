package awsenv

import (
	"encoding/json"
	"io"
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

// Measure writes one value. The units are CloudWatch's: Count, Milliseconds, Bytes, ….
func (m *Metrics) Measure(metric, unit string, value float64) {
	m.measure([]string{"Table", "Program"}, metric, unit, value)
}

// MeasureAll is Measure for what all processes of a kind measure together, under the dimension Table alone.
func (m *Metrics) MeasureAll(metric, unit string, value float64) {
	m.measure([]string{"Table"}, metric, unit, value)
}

func (m *Metrics) measure(dimensions []string, metric, unit string, value float64) {
	line, err := json.Marshal(map[string]any{
		"_aws": map[string]any{
			"Timestamp":         time.Now().UnixMilli(),
			"CloudWatchMetrics": []directive{{Namespace, [][]string{dimensions}, []measurement{{metric, unit}}}},
		},
		"Table": m.table, "Program": m.program, metric: value,
	})
	if err == nil { // a value that is no number is no measurement
		_, _ = m.out.Write(append(line, '\n'))
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
