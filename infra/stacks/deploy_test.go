package stacks_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/stacks"
)

func TestDeploymentNamesWhatInvokesWhat(t *testing.T) {
	d := deploy(t)
	if len(d.Tables) != 1 || d.Tables[0].Name != "hookcast-Table" {
		t.Fatalf("the tables are %+v, want hookcast-Table", d.Tables)
	}
	var from []string
	for _, s := range d.Sources {
		switch {
		case s.Queue != nil:
			from = append(from, s.Queue.Name+" > "+s.Function.Name)
		default:
			from = append(from, s.Table.Name+" > "+s.Function.Name)
		}
	}
	for _, r := range d.Routes {
		from = append(from, r.Method+" "+r.Path+" > "+r.Function.Name)
	}
	for _, s := range d.Schedules {
		from = append(from, s.Every.String()+" > "+s.Function.Name)
	}
	want := "hookcast-ingest.fifo > append, hookcast-Table > changes, hookcast-deliver.fifo > deliver, " +
		"hookcast-waiting > deliver, ANY /v1/{proxy+} > admin, ANY /in/{token} > ingest, ANY  > admin, 1m0s > sweep"
	if got := strings.Join(from, ", "); got != want {
		t.Errorf("invokers\n got %s\nwant %s", got, want)
	}
}

func TestEnvironmentIsWorkedOutThroughNestedStacks(t *testing.T) {
	d := deploy(t)
	for name, want := range map[string]string{
		"HOOKCAST_TABLE":            "hookcast-Table",
		"HOOKCAST_INGEST_QUEUE_URL": "https://sqs.test/hookcast-ingest.fifo",
		"HOOKCAST_KMS_KEY":          "arn:aws:kms:eu-central-1:000000000000:key/hookcast-Key",
		"HOOKCAST_PUBLIC_URL":       "https://api.example.com",
		"HOOKCAST_INBOX_PREFIX":     "hookcast-inbox-",
		"HOOKCAST_OWN_HOSTS":        "api.example.com,stream.example.com",
		"HOOKCAST_SIGNUP":           "open",
		"HOOKCAST_LOG_LEVEL":        "info",
	} {
		if got := d.Function("admin").Environment[name]; got != want {
			t.Errorf("admin has %s=%q, want %q", name, got, want)
		}
		if got := d.Tasks[0].Environment[name]; got != want {
			t.Errorf("the streamer has %s=%q, want %q", name, got, want)
		}
	}
}

func TestParametersChangeTheDeployment(t *testing.T) {
	changed := map[string]string{"AppendConcurrency": "7", "Signup": "closed"}
	for name, v := range given {
		changed[name] = v
	}
	place := stacks.Place{Region: "eu-central-1", Account: "000000000000", QueueURL: func(name string) string {
		return name
	}}
	d, err := load(t).Deploy("two", place, changed)
	if err != nil {
		t.Fatal(err)
	}
	if d.Sources[0].Concurrency != 7 || d.Function("admin").Environment["HOOKCAST_SIGNUP"] != "closed" ||
		d.Sources[0].Queue.Name != "two-ingest.fifo" {
		t.Errorf("the changed deployment has %+v of %+v, and %+v", d.Sources[0], d.Sources[0].Queue,
			d.Function("admin"))
	}
	changed["Sigmup"] = "open"
	if _, err := load(t).Deploy("two", place, changed); err == nil || !strings.Contains(err.Error(), "Sigmup") {
		t.Errorf("an unknown parameter is answered %v, want an error that names it", err)
	}
	if _, err := load(t).Deploy("two", place, nil); err == nil || !strings.Contains(err.Error(), "is not given") {
		t.Errorf("missing parameters are answered %v, want an error", err)
	}
}

// Errors that the templates of this folder do not have are tested with small templates.
func TestLoadRefusesWhatCloudFormationWould(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"alias":       {"Resources: {A: &a {Type: X}, B: *a}", "aliases"},
		"twice":       {"Resources: {A: {Type: X}, A: {Type: Y}}", "twice"},
		"no type":     {"Resources: {A: {}}", "no type"},
		"no template": {"Resources: {A: {Type: AWS::CloudFormation::Stack}}", "nests no template"},
		"not YAML":    {"Resources: [", ""},
		"not a map":   {"- 1", "not a template"},
		"missing file": {"Resources: {A: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: no.yaml}}}",
			"no.yaml"},
	} {
		path := filepath.Join(t.TempDir(), "t.yaml")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := stacks.Load(path); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.says)
		}
	}
}

func TestDeployRefusesWhatItCannotWorkOut(t *testing.T) {
	const queue = "Resources: {A: {Type: AWS::SQS::Queue, Properties: {QueueName: %}}}"
	for name, c := range map[string]struct{ value, says string }{
		"Ref":         {"!Ref B", "the template has no resource B"},
		"Sub":         {`!Sub "${B}"`, "the template has no resource B"},
		"GetAtt":      {"!GetAtt B.Arn", "the template has no resource B"},
		"If":          {"!If [C, x, y]", "the template has no condition C"},
		"unknown":     {"!Transform x", "Fn::Transform is not supported"},
		"FIFO's name": {"x.fifo", ".fifo"},
	} {
		path := filepath.Join(t.TempDir(), "t.yaml")
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(queue, "%", c.value)), 0o600); err != nil {
			t.Fatal(err)
		}
		top, err := stacks.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = top.Deploy("x", stacks.Place{QueueURL: func(name string) string { return name }}, nil)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.says)
		}
	}
}

func TestConditionsChoose(t *testing.T) {
	const text = `
Parameters: {Big: {Type: String, Default: "no"}}
Conditions: {IsBig: !Equals [!Ref Big, "yes"], Both: !And [!Condition IsBig, !Not [!Equals [a, b]]]}
Resources:
  A:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !If [Both, big, small], VisibilityTimeout: !If [IsBig, 60, !Ref AWS::NoValue]}
  B: {Type: AWS::SQS::Queue, Condition: IsBig}
`
	path := filepath.Join(t.TempDir(), "t.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	top, err := stacks.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for big, want := range map[string]struct {
		queues     int
		name       string
		visibility time.Duration
	}{"yes": {2, "big", time.Minute}, "no": {1, "small", 30 * time.Second}} {
		d, err := top.Deploy("x", stacks.Place{QueueURL: func(name string) string {
			return name
		}}, map[string]string{"Big": big})
		if err != nil {
			t.Fatal(err)
		}
		if q := d.Queues[0]; len(d.Queues) != want.queues || q.Name != want.name || q.Visibility != want.visibility {
			t.Errorf("with Big=%s there are %d queues, the first is %+v, want %+v", big, len(d.Queues), q, want)
		}
	}
}
