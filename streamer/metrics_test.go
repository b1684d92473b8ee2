package streamer

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
)

// sample is a line of /metrics, parsed by the grammar of the format.
type sample struct {
	name, labels string
	value        float64
}

var sampleLine = regexp.MustCompile(`^([a-z_]+)(?:\{((?:[a-z_]+="[^"\\\n]*",?)+)\})? (\S+)$`)

// readMetrics parses /metrics and checks the format: every family has one HELP and one TYPE before all of its
// samples, which are adjacent, and no sample occurs twice.
func readMetrics(t testing.TB, text string) (samples []sample, kinds map[string]string) {
	t.Helper()
	kinds = map[string]string{}
	seen := map[string]bool{}
	family := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if kinds[name] != "" || name != family {
				t.Errorf("%s has two families, or its HELP is not in front", name)
			}
			kinds[name] = kind
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			family, _, _ = strings.Cut(rest, " ")
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a sample: %q", line)
		}
		own := m[1]
		if kinds[family] == "histogram" {
			own = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(own, "_bucket"), "_sum"), "_count")
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil || own != family || seen[m[1]+m[2]] ||
			strings.HasSuffix(family, "_total") != (kinds[family] == "counter") {
			t.Errorf("%q in family %s, a %s", line, family, kinds[family])
		}
		seen[m[1]+m[2]] = true
		samples = append(samples, sample{m[1], m[2], value})
	}
	return samples, kinds
}

// busyMetrics are those of an App that has served a bit of everything.
func busyMetrics(t *testing.T) string {
	t.Helper()
	w := newProxyWorld(t, func(*hub.Options) {}).world
	tenant, key := w.tenant(t)
	for _, tr := range transports {
		c := tr.open(t, w, "channel=a&after=0", auth(key))
		w.publish(t, tenant, "a", "x")
		c.next(t)
	}
	eventually(t, "it is all counted", func() bool { return w.hub.Stats().Deliveries >= int64(len(transports)) })
	a, _ := w.talk(t, "GET /metrics"+head+"\r\n")
	return a.body
}

func TestMetricsAreByTransportAndPlanAndNameNoTenant(t *testing.T) {
	text := busyMetrics(t)
	samples, kinds := readMetrics(t, text)
	if strings.Contains(text, string(tenants.PrefixTenant)) {
		t.Error("a tenant is named")
	}
	accepted := map[string]float64{}
	buckets, count := -1.0, 0.0
	for _, s := range samples {
		switch s.name {
		case "hookcast_connections_accepted_total":
			accepted[s.labels] = s.value
		case "hookcast_delivery_seconds_bucket":
			if s.value < buckets || !strings.HasPrefix(s.labels, `plan="free",le="`) {
				t.Errorf("%+v behind %v", s, buckets)
			}
			buckets = s.value
		case "hookcast_delivery_seconds_count":
			count = s.value
		}
	}
	for _, transport := range []string{"sse", "ndjson", "websocket", "poll"} {
		if accepted[`plan="free",transport="`+transport+`"`] == 0 {
			t.Errorf("no %s in %v", transport, accepted)
		}
	}
	if kinds["hookcast_delivery_seconds"] != "histogram" || count == 0 || count != buckets {
		t.Errorf("the histogram: %v, count %v, last bucket %v", kinds["hookcast_delivery_seconds"], count, buckets)
	}
}

// The dashboard queries existing metrics only, and all of them.
func TestTheDashboardShowsEveryMetricAndNoOther(t *testing.T) {
	b, err := os.ReadFile("../infra/stacks/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Query any }
		}
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	samples, kinds := readMetrics(t, busyMetrics(t))
	labels := map[string][]string{} // of each metric
	for _, s := range samples {
		for _, l := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(s.labels, -1) {
			labels[s.name] = append(labels[s.name], l[1])
		}
		labels[s.name] = append(labels[s.name], "instance") // added by the scraper
	}
	name := regexp.MustCompile(`hookcast_[a-z_]+`)
	by := regexp.MustCompile(`sum by \(([a-z, ]+)\) \((?:rate\()?(hookcast_[a-z_]+)`)
	shown := map[string]bool{}
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			for _, metric := range name.FindAllString(target.Expr, -1) {
				shown[metric] = true
				if labels[metric] == nil {
					t.Errorf("%s asks for %s, which there is not", p.Title, metric)
				}
				if kinds[metric] == "counter" && !strings.Contains(target.Expr, "rate("+metric) {
					t.Errorf("%s shows the counter %s and not its rate", p.Title, metric)
				}
			}
			for _, m := range by.FindAllStringSubmatch(target.Expr, -1) {
				for label := range strings.SplitSeq(m[1], ", ") {
					if !slices.Contains(labels[m[2]], label) {
						t.Errorf("%s: %s has no label %s", p.Title, m[2], label)
					}
				}
			}
		}
	}
	for metric := range labels {
		if !shown[metric] {
			t.Errorf("the dashboard does not show %s", metric)
		}
	}
}
