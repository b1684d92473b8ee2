package stacks_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/stacks"
	"github.com/hookcast/hookcast/tenants"
)

func TestTableIsTheAdapters(t *testing.T) {
	table, want := deploy(t).Tables[0], dynamo.TableSchema()
	got := dynamo.Schema{PartitionKey: table.PartitionKey, SortKey: table.SortKey, Expires: table.TTL,
		StreamView: table.StreamView}
	if got != want {
		t.Errorf("the template's table has %+v, the adapter wants %+v", got, want)
	}
	if len(table.KeyTypes) != 2 || table.KeyTypes[want.PartitionKey] != "S" || table.KeyTypes[want.SortKey] != "S" {
		t.Errorf("the keys have the types %v, want S for both", table.KeyTypes)
	}
}

// changes is invoked for the records that it processes and for no others: each row of a log or lease would cost an
// invocation.
func TestChangesGetsEventsAndVersionsAlone(t *testing.T) {
	source := deploy(t).Sources[slices.IndexFunc(deploy(t).Sources, func(s *stacks.EventSource) bool {
		return s.Function.Name == "changes"
	})]
	wants := map[string]bool{"INSERT log/orders.42": true, "INSERT version": true, "MODIFY version": true}
	for _, kind := range []tenants.Kind{"log/orders.42", "version", "evt", "head", "interest/orders.42", "list/nodes",
		"list/keys", "policy"} {
		for _, event := range []string{"INSERT", "MODIFY", "REMOVE"} {
			record := map[string]any{"eventName": event, "eventSource": "aws:dynamodb", "dynamodb": map[string]any{
				"Keys": map[string]any{dynamo.AttrPartition: map[string]any{"S": "ten_x#" + string(kind)},
					dynamo.AttrSort: map[string]any{"S": "-"}},
			}}
			if event != "REMOVE" {
				record["dynamodb"].(map[string]any)["NewImage"] =
					map[string]any{dynamo.AttrFamily: map[string]any{"S": dynamo.Family(kind)}}
			}
			raw, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			var item any
			if err := json.Unmarshal(raw, &item); err != nil {
				t.Fatal(err)
			}
			if name := event + " " + string(kind); source.Wants(item) != wants[name] {
				t.Errorf("changes gets %s: %v, want %v", name, !wants[name], wants[name])
			}
		}
	}
}

// streaming lists the paths of the other host.
var streaming = []string{"/v1/stream", "/v1/poll", "/v1/ws", "/embed.js", "/embed.d.ts", "/metrics", "/readyz"}

func TestEveryPathOfTheContractHasARoute(t *testing.T) {
	text, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	paths := regexp.MustCompile(`(?m)^  (/[^:\s]*):`).FindAllSubmatch(text, -1)
	if len(paths) < 25 {
		t.Fatalf("openapi.yaml has %d paths, want at least 25", len(paths))
	}
	d := deploy(t)
	for _, m := range paths {
		path, want := string(m[1]), "admin"
		if slices.Contains(streaming, path) {
			continue
		}
		if strings.HasPrefix(path, "/in/") {
			want = "ingest"
		}
		if got := serving(d, strings.NewReplacer("{", "", "}", "").Replace(path)); got != want {
			t.Errorf("%s is served by %q, want %s", path, got, want)
		}
	}
}

// serving returns the function that an HTTP API would invoke: exact matches first, then variables, then the rest of
// the path, then the default
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html).
func serving(d *stacks.Deployment, path string) string {
	best, name := -1, ""
	for _, r := range d.Routes {
		pattern := regexp.QuoteMeta(r.Path)
		pattern = regexp.MustCompile(`\\\{\w+\\\+\\\}`).ReplaceAllString(pattern, `.+`)
		pattern = regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(pattern, `[^/]+`)
		if r.Path != "" && !regexp.MustCompile("^"+pattern+"$").MatchString(path) {
			continue
		}
		if len(r.Path) > best {
			best, name = len(r.Path), r.Function.Name
		}
	}
	return name
}

// A program gets exactly the environment that its main reads.
func TestEnvironmentIsWhatTheProgramsRead(t *testing.T) {
	names := make(map[string]string) // names of variables by the names of their constants
	text, err := os.ReadFile("../awsenv/env.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\s+(\w+)\s+Name = "(HOOKCAST_\w+)"`).FindAllSubmatch(text, -1) {
		names[string(m[1])] = string(m[2])
	}
	if len(names) < 8 {
		t.Fatalf("awsenv declares %v, want at least 8 variables", names)
	}
	d := deploy(t)
	programs := make(map[string]map[string]string)
	for _, f := range d.Functions {
		programs[filepath.Join("functions", f.Name, "bootstrap")] = f.Environment
	}
	for _, task := range d.Tasks {
		programs[filepath.Join("streamer", task.Name+"d")] = task.Environment
	}
	for folder, given := range programs {
		files, err := filepath.Glob(filepath.Join("..", "..", folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("the folder %s has no program", folder)
			continue
		}
		read := map[string]bool{names["LogLevel"]: true}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`\bawsenv\.(\w+)\b`).FindAllSubmatch(text, -1) {
				if name := names[string(m[1])]; name != "" {
					read[name] = true
				}
			}
		}
		for name := range read {
			if _, ok := given[name]; !ok {
				t.Errorf("%s reads %s, which the template does not set", folder, name)
			}
		}
		for name := range given {
			if !read[name] {
				t.Errorf("the template sets %s for %s, which does not read it", name, folder)
			}
		}
	}
}

// Timeouts of the streaming tier depend on each other.
func TestStreamersAreGivenTheTimeTheyTake(t *testing.T) {
	const (
		heartbeat = 20 * time.Second
		drain     = 100 * time.Second
	)
	var idle, deregistration time.Duration
	var found int
	for _, one := range all(t) {
		for _, r := range one.Resources {
			for _, list := range []string{"LoadBalancerAttributes", "TargetGroupAttributes"} {
				attributes, _ := r.Properties[list].([]any)
				for _, item := range attributes {
					a := item.(map[string]any)
					value, _ := a["Value"].(string)
					switch a["Key"] {
					case "idle_timeout.timeout_seconds":
						idle, _ = time.ParseDuration(value + "s")
					case "deregistration_delay.timeout_seconds":
						deregistration, _ = time.ParseDuration(value + "s")
					case "routing.http2.enabled", "routing.http.drop_invalid_header_fields.enabled":
						found++
						if value != "true" {
							t.Errorf("%s is %s, want true", a["Key"], value)
						}
					}
				}
			}
			if r.Type == "AWS::ElasticLoadBalancingV2::TargetGroup" && r.Properties["HealthCheckPath"] != "/readyz" {
				t.Errorf("the health check's path is %v, want /readyz", r.Properties["HealthCheckPath"])
			}
			if policy, ok := r.Properties["SslPolicy"].(string); ok {
				found++
				if !strings.HasPrefix(policy, "ELBSecurityPolicy-TLS13-1-2-") {
					t.Errorf("the TLS policy is %s, want ELBSecurityPolicy-TLS13-1-2", policy)
				}
			}
		}
	}
	if found != 3 || idle < 3*heartbeat || deregistration <= drain {
		t.Errorf("got %d attributes, want 3; the idle timeout is %v and the deregistration delay %v", found,
			idle, deregistration)
	}
	task := deploy(t).Tasks[0]
	if task.Files < 65536 || task.StopTimeout <= drain || task.StopTimeout >= deregistration {
		t.Errorf("the task is %+v, want a stop timeout between the drain and the deregistration", task)
	}
}

// Scaling and an alarm watch metrics that a streamer reports.
func TestMetricsAreTheProgramsOwn(t *testing.T) {
	text, err := os.ReadFile("../awsenv/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	namespace := regexp.MustCompile(`Namespace = "(\w+)"`).FindSubmatch(text)
	if namespace == nil {
		t.Fatal("awsenv/metrics.go declares no namespace")
	}
	var seen int
	for path, one := range all(t) {
		for id, r := range one.Resources {
			for _, m := range mapsWith(r.Properties, "MetricName") {
				if name, _ := m["Namespace"].(string); strings.HasPrefix(name, "AWS/") {
					continue
				}
				seen++
				dimensions, _ := m["Dimensions"].([]any)
				if m["Namespace"] != string(namespace[1]) || m["MetricName"] != "Connections" || len(dimensions) != 1 ||
					dimensions[0].(map[string]any)["Name"] != "Table" {
					t.Errorf("%s: %s watches the unknown metric %v", path, id, m)
				}
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d metrics of our own are watched, want 2", seen)
	}
}
