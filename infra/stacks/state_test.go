package stacks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/stacks"
)

// keepAtLeast is for how long a log's row stays after its append: longer than any message of it may come again.
const keepAtLeast = 15 * 24 * time.Hour

func TestQueuesOutliveTheirReadersAndNotTheLog(t *testing.T) {
	d := deploy(t)
	if len(d.Queues) != 7 {
		t.Fatalf("%d queues", len(d.Queues))
	}
	for _, s := range d.Sources {
		q := s.Queue
		if q == nil {
			continue
		}
		if q.Visibility < 6*s.Function.Timeout {
			t.Errorf("%s hides messages for %v, %s may take %v", q.Name, q.Visibility, s.Function.Name, s.Function.Timeout)
		}
		if q.DeadLetters == nil || q.MaxReceives < 5 {
			t.Errorf("%s: dead letters after %d receives: %v", q.Name, q.MaxReceives, q.DeadLetters)
			continue
		}
		if q.DeadLetters.FIFO != q.FIFO {
			t.Errorf("%s and its dead letters are not of one kind", q.Name)
		}
		// To the dead letters at the very end of its life, kept there to the end, sent back, and kept to the end again.
		if oldest := 2*q.Retention + q.DeadLetters.Retention; oldest >= keepAtLeast {
			t.Errorf("a message of %s may be %v old, the log's rows %v", q.Name, oldest, keepAtLeast)
		}
	}
	for _, q := range d.Queues {
		if q.Attributes["SqsManagedSseEnabled"] != "true" {
			t.Errorf("%s is not encrypted", q.Name)
		}
		if q.FIFO && (q.Attributes["DeduplicationScope"] != "messageGroup" || q.Attributes["FifoThroughputLimit"] != "perMessageGroupId" ||
			q.Attributes["ContentBasedDeduplication"] != "false") {
			t.Errorf("%s: %v", q.Name, q.Attributes)
		}
		if strings.HasPrefix(q.Name, d.Function("append").Environment["HOOKCAST_INBOX_PREFIX"]) {
			t.Errorf("%s is named like an inbox: it would be swept away", q.Name)
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
			if name, _ := r.Properties["QueueName"].(map[string]any); name["Fn::Sub"] != strings.Replace(s.Queue.DeadLetters.Name, "hookcast", "${AWS::StackName}", 1) {
				continue
			}
			allow, _ := r.Properties["RedriveAllowPolicy"].(map[string]any)
			from := fmt.Sprint(allow["sourceQueueArns"])
			if allow["redrivePermission"] != "byQueue" || !strings.Contains(from, strings.Replace(s.Queue.Name, "hookcast", "${AWS::StackName}", 1)) {
				t.Errorf("%s: %v", id, allow)
			}
		}
	}
}

func TestStateSurvivesTheStack(t *testing.T) {
	kept := map[string]bool{"AWS::DynamoDB::Table": true, "AWS::SQS::Queue": true, "AWS::KMS::Key": true}
	for path, one := range all(t) {
		for id, r := range one.Resources {
			if kept[r.Type] && !strings.HasPrefix(r.Deletion, "Retain") {
				t.Errorf("%s: %s goes with the stack", path, id)
			}
			if r.Type == "AWS::KMS::Key" && r.Properties["EnableKeyRotation"] != true {
				t.Errorf("%s: %s is never rotated", path, id)
			}
			if r.Type == "AWS::DynamoDB::Table" && r.Properties["TableName"] != nil {
				t.Errorf("%s: %s has a name of its own, so that no second one can take its place", path, id)
			}
		}
	}
	table := deploy(t).Tables[0]
	if !table.PointInTime || !table.DeleteRefused || !table.OnDemand {
		t.Errorf("%+v", table)
	}
}

// failures says where the failures of each function show: a 5xx to somebody who waits or tries again, or a queue that an alarm watches.
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
			t.Errorf("%s: partial replies %v, window %v", s.Function.Name, s.Partial, s.Window)
		}
	}
	for _, r := range d.Routes {
		ends[r.Function.Name] = "the caller"
		if r.Payload != "2.0" || r.Timeout < r.Function.Timeout {
			t.Errorf("%s %s: format %q, the gateway waits %v, the function %v", r.Method, r.Path, r.Payload, r.Timeout, r.Function.Timeout)
		}
	}
	for _, s := range d.Schedules {
		if s.Retries == 0 && s.Function.Timeout < s.Every {
			ends[s.Function.Name] = "the next one"
		}
	}
	for _, f := range d.Functions {
		if ends[f.Name] == "" {
			t.Errorf("failures of %s end nowhere", f.Name)
		}
		if f.Runtime != "provided.al2023" || f.Machine != "arm64" {
			t.Errorf("%s: %s on %s", f.Name, f.Runtime, f.Machine)
		}
	}
}

func TestEveryFunctionAndTaskHasALogThatEnds(t *testing.T) {
	for path, one := range all(t) {
		logs := make(map[string]bool)
		for id, r := range one.Resources {
			if r.Type == "AWS::Logs::LogGroup" {
				if r.Properties["RetentionInDays"] == nil || r.Properties["LogGroupName"] == nil {
					t.Errorf("%s: %s keeps everything, or has no name", path, id)
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
			if !slices.ContainsFunc(stacks.References(named), func(ref stacks.Reference) bool { return logs[ref.Name] }) {
				t.Errorf("%s: %s writes to no log of this template", path, id)
			}
		}
	}
}

// A source's token is in the path, a browser's in the query.
func TestAccessLogsHoldNoAddress(t *testing.T) {
	var seen int
	for path, one := range all(t) {
		for id, r := range one.Resources {
			if s, ok := r.Properties["AccessLogSettings"].(map[string]any); ok {
				seen++
				format := fmt.Sprint(s["Format"])
				for _, field := range []string{"$context.path", "$context.domainName", "rawPath", "queryString", "$context.requestOverride", "$request", "header"} {
					if strings.Contains(format, field) {
						t.Errorf("%s: %s logs %s", path, id, field)
					}
				}
				if !strings.Contains(format, "$context.routeKey") || strings.ContainsAny(format, "\n") {
					t.Errorf("%s: %s: %q", path, id, format)
				}
			}
			attributes, _ := r.Properties["LoadBalancerAttributes"].([]any)
			for _, item := range attributes {
				a := item.(map[string]any)
				if strings.HasSuffix(fmt.Sprint(a["Key"]), "_logs.s3.enabled") {
					seen++
					if a["Value"] != "false" {
						t.Errorf("%s: %s logs whole addresses", path, id)
					}
				}
			}
		}
	}
	if seen != 3 {
		t.Errorf("%d access logs were looked at", seen)
	}
}
