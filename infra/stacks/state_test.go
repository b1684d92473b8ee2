package stacks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/stacks"
)

// keepAtLeast is the time for which a log's row stays after its append: longer than a message of it can be delivered
// again.
const keepAtLeast = 15 * 24 * time.Hour

func TestQueuesOutliveTheirReadersAndNotTheLog(t *testing.T) {
	d := deploy(t)
	if len(d.Queues) != 7 {
		t.Fatalf("there are %d queues, want 7", len(d.Queues))
	}
	for _, s := range d.Sources {
		q := s.Queue
		if q == nil {
			continue
		}
		if q.Visibility < 6*s.Function.Timeout {
			t.Errorf("%s hides messages for %v, want 6 times the timeout of %s, %v", q.Name, q.Visibility,
				s.Function.Name, s.Function.Timeout)
		}
		if q.DeadLetters == nil || q.MaxReceives < 5 {
			t.Errorf("%s moves messages after %d receives to %v, want at least 5 receives", q.Name, q.MaxReceives,
				q.DeadLetters)
			continue
		}
		if q.DeadLetters.FIFO != q.FIFO {
			t.Errorf("%s and its dead-letter queue are not both FIFO or both standard", q.Name)
		}
		// The oldest message moves to the dead-letter queue at the end of its life, stays there to the end, is sent
		// back, and stays to the end again.
		if oldest := 2*q.Retention + q.DeadLetters.Retention; oldest >= keepAtLeast {
			t.Errorf("a message of %s can be %v old, want less than the %v of the log's rows", q.Name, oldest,
				keepAtLeast)
		}
	}
	for _, q := range d.Queues {
		if q.Attributes["SqsManagedSseEnabled"] != "true" {
			t.Errorf("%s is not encrypted", q.Name)
		}
		if q.FIFO && (q.Attributes["DeduplicationScope"] != "messageGroup" ||
			q.Attributes["FifoThroughputLimit"] != "perMessageGroupId" ||
			q.Attributes["ContentBasedDeduplication"] != "false") {
			t.Errorf("the FIFO queue %s has the attributes %v", q.Name, q.Attributes)
		}
		if strings.HasPrefix(q.Name, d.Function("append").Environment["HOOKCAST_INBOX_PREFIX"]) {
			t.Errorf("%s is named like an inbox: sweep would delete it", q.Name)
		}
	}
}

func TestDeadLettersAreGivenBackToTheirQueueAlone(t *testing.T) {
	d := deploy(t)
	top := load(t)
	for _, s := range d.Sources {
		if s.Queue == nil {
			continue
		}
		for id, r := range top.Resources {
			name, _ := r.Properties["QueueName"].(map[string]any)
			if name["Fn::Sub"] != strings.Replace(s.Queue.DeadLetters.Name, "hookcast", "${AWS::StackName}", 1) {
				continue
			}
			allow, _ := r.Properties["RedriveAllowPolicy"].(map[string]any)
			from := fmt.Sprint(allow["sourceQueueArns"])
			if allow["redrivePermission"] != "byQueue" ||
				!strings.Contains(from, strings.Replace(s.Queue.Name, "hookcast", "${AWS::StackName}", 1)) {
				t.Errorf("the dead-letter queue %s allows redrive with %v, want its source queue alone", id, allow)
			}
		}
	}
}

func TestStateSurvivesTheStack(t *testing.T) {
	kept := map[string]bool{"AWS::DynamoDB::Table": true, "AWS::SQS::Queue": true, "AWS::KMS::Key": true}
	for path, one := range all(t) {
		for id, r := range one.Resources {
			if kept[r.Type] && !strings.HasPrefix(r.Deletion, "Retain") {
				t.Errorf("%s: %s would be deleted with the stack", path, id)
			}
			if r.Type == "AWS::KMS::Key" && r.Properties["EnableKeyRotation"] != true {
				t.Errorf("%s: the key %s is never rotated", path, id)
			}
			if r.Type == "AWS::DynamoDB::Table" && r.Properties["TableName"] != nil {
				t.Errorf("%s: %s has a fixed name, so that it cannot be replaced", path, id)
			}
		}
	}
	table := deploy(t).Tables[0]
	if !table.PointInTime || !table.DeleteRefused || !table.OnDemand {
		t.Errorf("the table is %+v, want recovery, deletion protection and on-demand billing", table)
	}
}

// A failure of each function shows somewhere: as a 5xx to a caller that waits or retries, or in a queue that an alarm
// watches.
func TestEveryFailureEndsSomewhere(t *testing.T) {
	d := deploy(t)
	ends := make(map[string]string)
	for _, s := range d.Sources {
		switch {
		case s.Queue != nil:
			ends[s.Function.Name] = s.Queue.DeadLetters.Name
		case s.OnFailure != nil && s.MaxRetries > 0 && s.MaxAge > 0 && s.Bisect:
			ends[s.Function.Name] = s.OnFailure.Name
		}
		if !s.Partial || s.Window != 0 {
			t.Errorf("%s has partial replies: %v, and the window %v, want true and 0", s.Function.Name, s.Partial,
				s.Window)
		}
	}
	for _, r := range d.Routes {
		ends[r.Function.Name] = "the caller"
		if r.Payload != "2.0" || r.Timeout < r.Function.Timeout {
			t.Errorf("%s %s has the format %q; the gateway waits for %v, and the function runs for up to %v",
				r.Method, r.Path, r.Payload, r.Timeout, r.Function.Timeout)
		}
	}
	for _, s := range d.Schedules {
		if s.Retries == 0 && s.Function.Timeout < s.Every {
			ends[s.Function.Name] = "the next invocation"
		}
	}
	for _, f := range d.Functions {
		if ends[f.Name] == "" {
			t.Errorf("failures of %s show nowhere", f.Name)
		}
		if f.Runtime != "provided.al2023" || f.Machine != "arm64" {
			t.Errorf("%s runs with %s on %s, want provided.al2023 on arm64", f.Name, f.Runtime, f.Machine)
		}
	}
}

func TestEveryFunctionAndTaskHasALogThatEnds(t *testing.T) {
	for path, one := range all(t) {
		logs := make(map[string]bool)
		for id, r := range one.Resources {
			if r.Type == "AWS::Logs::LogGroup" {
				if r.Properties["RetentionInDays"] == nil || r.Properties["LogGroupName"] == nil {
					t.Errorf("%s: the log group %s has no retention or no name", path, id)
				}
				logs[id] = true
			}
		}
		for id, r := range one.Resources {
			var named any
			switch r.Type {
			case "AWS::Lambda::Function":
				named = r.Properties["LoggingConfig"]
			case "AWS::ECS::TaskDefinition":
				named = r.Properties["ContainerDefinitions"].([]any)[0].(map[string]any)["LogConfiguration"]
			case "AWS::ApiGatewayV2::Stage":
				named = r.Properties["AccessLogSettings"]
			default:
				continue
			}
			if !slices.ContainsFunc(stacks.References(named), func(ref stacks.Reference) bool {
				return logs[ref.Name]
			}) {
				t.Errorf("%s: %s does not write to a log group of this template", path, id)
			}
		}
	}
}

// The path contains a source's token, and the query a browser's.
func TestAccessLogsHoldNoAddress(t *testing.T) {
	var seen int
	for path, one := range all(t) {
		for id, r := range one.Resources {
			if s, ok := r.Properties["AccessLogSettings"].(map[string]any); ok {
				seen++
				format := fmt.Sprint(s["Format"])
				for _, field := range []string{"$context.path", "$context.domainName", "rawPath", "queryString",
					"$context.requestOverride", "$request", "header"} {
					if strings.Contains(format, field) {
						t.Errorf("%s: %s logs %s", path, id, field)
					}
				}
				if !strings.Contains(format, "$context.routeKey") || strings.ContainsAny(format, "\n") {
					t.Errorf("%s: %s has the format %q, want the route key and one line", path, id, format)
				}
			}
			attributes, _ := r.Properties["LoadBalancerAttributes"].([]any)
			for _, item := range attributes {
				a := item.(map[string]any)
				if strings.HasSuffix(fmt.Sprint(a["Key"]), "_logs.s3.enabled") {
					seen++
					if a["Value"] != "false" {
						t.Errorf("%s: %s logs full URLs", path, id)
					}
				}
			}
		}
	}
	if seen != 3 {
		t.Errorf("the test found %d access logs, want 3", seen)
	}
}
