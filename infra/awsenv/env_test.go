package awsenv_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/awsenv"
)

// read reads a test's environment. The region is eu-central-1 unless env has one.
func read(t *testing.T, out *bytes.Buffer, env map[string]string, needs ...awsenv.Name) (*awsenv.Env, error) {
	t.Helper()
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	if region, ok := env["AWS_REGION"]; ok {
		t.Setenv("AWS_REGION", region)
		t.Setenv("AWS_DEFAULT_REGION", region)
	}
	return awsenv.Read(t.Context(), "program", func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}, out, needs...)
}

func TestWhatIsMissingIsSaidInOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		env   map[string]string
		needs []awsenv.Name
		says  string
	}{
		"all": {nil, []awsenv.Name{awsenv.Table, awsenv.KMSKey},
			"missing in the environment: HOOKCAST_TABLE, HOOKCAST_KMS_KEY"},
		"empty": {map[string]string{"HOOKCAST_TABLE": ""}, []awsenv.Name{awsenv.Table},
			"missing in the environment: HOOKCAST_TABLE"},
		"region": {map[string]string{"AWS_REGION": ""}, nil, "missing in the environment: AWS_REGION"},
		"level": {map[string]string{"HOOKCAST_LOG_LEVEL": "loud"}, nil,
			"HOOKCAST_LOG_LEVEL must be debug, info, warn or error"},
		"sign-up": {map[string]string{"HOOKCAST_SIGNUP": "maybe"}, []awsenv.Name{awsenv.Signup},
			"HOOKCAST_SIGNUP must be open or closed"},
		"secret": {map[string]string{"HOOKCAST_SIGNUP": "s3cret"}, []awsenv.Name{awsenv.Signup},
			"HOOKCAST_SIGNUP must be open or closed"},
		"nothing": {nil, nil, ""},
		"all said": {map[string]string{"HOOKCAST_TABLE": "t", "HOOKCAST_SIGNUP": "open", "HOOKCAST_LOG_LEVEL": "debug"},
			[]awsenv.Name{awsenv.Table, awsenv.Signup}, ""},
	} {
		_, err := read(t, new(bytes.Buffer), c.env, c.needs...)
		if (err == nil) != (c.says == "") || err != nil && err.Error() != c.says {
			t.Errorf("%s: Read = %v, want %q", name, err, c.says)
		}
	}
}

func TestTheEnvironmentIsWhatItSays(t *testing.T) {
	var out bytes.Buffer
	e, err := read(t, &out, map[string]string{"HOOKCAST_TABLE": "t", "HOOKCAST_SIGNUP": "closed",
		"HOOKCAST_LOG_LEVEL": "warn"}, awsenv.Table, awsenv.Signup)
	if err != nil {
		t.Fatal(err)
	}
	if e.Get(awsenv.Table) != "t" || e.SignupOpen() || e.Get(awsenv.TargetGroup) != "" ||
		e.Config.Region != "eu-central-1" {
		t.Errorf("got table %q, open signup %v, target group %q and region %s, want t, false, none and eu-central-1",
			e.Get(awsenv.Table), e.SignupOpen(), e.Get(awsenv.TargetGroup), e.Config.Region)
	}
	e.Logger.Info("below the level")
	e.Logger.Warn("hear")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["msg"] != "hear" || line["program"] != "program" {
		t.Errorf("logged %s, want only the warning", &out)
	}
	defer func() {
		if recover() == nil {
			t.Error("Get of a variable that was not named did not panic")
		}
	}()
	e.Get(awsenv.KMSKey)
}

type metric struct {
	name, unit string
	value      float64
}

// The format is specified in
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html.
func TestMetricsAreInTheEmbeddedFormat(t *testing.T) {
	var out bytes.Buffer
	e, err := read(t, &out, map[string]string{"HOOKCAST_TABLE": "t"}, awsenv.Table)
	if err != nil {
		t.Fatal(err)
	}
	e.Measure(slog.Int("Requests", 1), slog.Duration("Latency", 1500*time.Microsecond),
		slog.String("Nonsense", "no number"))
	e.MeasureAll(slog.Int("Connections", 7))
	e.Measure(slog.Any("Nonsense", nil))
	e.Measure()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %d lines, want 2: %s", len(lines), &out)
	}
	for i, want := range []struct {
		metrics    []metric
		dimensions string
	}{
		{[]metric{{"Requests", "Count", 1}, {"Latency", "Milliseconds", 1.5}}, "Table Program"},
		{[]metric{{"Connections", "Count", 7}}, "Table"},
	} {
		var line map[string]any
		var meta struct {
			AWS struct {
				Timestamp         int64
				CloudWatchMetrics []struct {
					Namespace  string
					Dimensions [][]string
					Metrics    []struct{ Name, Unit string }
				}
			} `json:"_aws"`
		}
		if json.Unmarshal([]byte(lines[i]), &line) != nil || json.Unmarshal([]byte(lines[i]), &meta) != nil {
			t.Fatalf("line %d is not valid JSON: %s", i, lines[i])
		}
		d := meta.AWS.CloudWatchMetrics[0]
		if meta.AWS.Timestamp < 1e12 || d.Namespace != "Hookcast" ||
			strings.Join(d.Dimensions[0], " ") != want.dimensions || line["Table"] != "t" {
			t.Errorf("line %d is %s, want namespace Hookcast and dimensions %s", i, lines[i], want.dimensions)
		}
		var got []metric
		for _, m := range d.Metrics {
			value, _ := line[m.Name].(float64)
			got = append(got, metric{m.Name, m.Unit, value})
		}
		if !slices.Equal(got, want.metrics) || line["Nonsense"] != nil {
			t.Errorf("line %d is %s, want metrics %v", i, lines[i], want.metrics)
		}
	}
}

func TestLinesStayWhole(t *testing.T) {
	var out bytes.Buffer
	e, err := read(t, &out, map[string]string{"HOOKCAST_TABLE": "t"}, awsenv.Table)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				e.Logger.Info("a line")
				e.Measure(slog.Int("Requests", 1))
			}
		})
	}
	all.Wait()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 800 {
		t.Errorf("got %d lines, want 800", len(lines))
	}
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			t.Fatalf("line %q is not valid JSON", l)
		}
	}
}
