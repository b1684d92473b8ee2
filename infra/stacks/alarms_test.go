package stacks_test

import (
	"fmt"
	"strings"
	"testing"
)

// watched lists the alarms without which a failure would go unnoticed: the metric, its dimension, and the threshold.
var watched = []struct{ metric, of, above, why string }{
	{"ApproximateNumberOfMessagesVisible", "IngestDeadLettersName", "0",
		"an invalid message, or events that could not be appended"},
	{"ApproximateNumberOfMessagesVisible", "ChangesFailuresName", "0", "a record of an unknown format"},
	{"ApproximateNumberOfMessagesVisible", "DeliverDeadLettersName", "0", "deliveries that could not be recorded"},
	{"ApproximateNumberOfMessagesVisible", "WaitingDeadLettersName", "0", "deliveries that could not be queued again"},
	{"Errors", "DeliverFunction", "0", ""}, {"Throttles", "DeliverFunction", "0", ""},
	{"ApproximateAgeOfOldestMessage", "IngestQueueName", "60", "acknowledged events that wait"},
	{"IteratorAge", "ChangesFunction", "60000", "the table's stream is read too slowly"},
	{"Errors", "IngestFunction", "0", ""}, {"Errors", "AppendFunction", "0", ""},
	{"Errors", "ChangesFunction", "0", ""},
	{"Errors", "AdminFunction", "0", ""}, {"Errors", "SweepFunction", "0", ""},
	{"Throttles", "IngestFunction", "0", ""}, {"Throttles", "AppendFunction", "0", ""},
	{"WriteThrottleEvents", "TableName", "0", ""}, {"ReadThrottleEvents", "TableName", "0", ""},
	{"UnHealthyHostCount", "TargetGroup", "0", ""},
}

func TestWhatGoesWrongIsHeardOf(t *testing.T) {
	watch := all(t)["../../infra/stacks/observability.yaml"]
	if watch == nil {
		t.Fatal("there is no template of the alarms")
	}
	found := make(map[string]bool)
	var dashboard string
	for id, r := range watch.Resources {
		switch r.Type {
		case "AWS::CloudWatch::Dashboard":
			dashboard = fmt.Sprint(r.Properties["DashboardBody"])
		case "AWS::CloudWatch::Alarm":
			if !strings.Contains(fmt.Sprint(r.Properties["AlarmActions"]), "Alarms") ||
				r.Properties["AlarmDescription"] == nil {
				t.Errorf("%s has no action or no description", id)
			}
			if r.Properties["ComparisonOperator"] != "GreaterThanThreshold" {
				t.Errorf("%s compares with %v, want GreaterThanThreshold", id, r.Properties["ComparisonOperator"])
			}
			for _, w := range watched {
				if r.Properties["MetricName"] == w.metric && fmt.Sprint(r.Properties["Threshold"]) == w.above &&
					strings.Contains(fmt.Sprint(r.Properties["Dimensions"]), w.of) {
					found[w.metric+w.of] = true
				}
			}
		}
	}
	for _, w := range watched {
		if !found[w.metric+w.of] {
			t.Errorf("there is no alarm for %s of %s above %s: %s", w.metric, w.of, w.above, w.why)
		}
	}
	for _, name := range []string{"IngestDeadLettersName", "ChangesFailuresName", "IngestQueueName", "DeliverQueueName",
		"DeliverDeadLettersName", "WaitingDeadLettersName", "ChangesFunction", "DeliverFunction", "TableName",
		"TargetGroup"} {
		if !strings.Contains(dashboard, "${"+name+"}") {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}
