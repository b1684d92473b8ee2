package batch_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/functions/internal/batch"
	"github.com/hookcast/hookcast/tenants"
)

func messages(groups ...string) (ms []events.SQSMessage) {
	for i, g := range groups {
		m := events.SQSMessage{MessageId: string(rune('a' + i))}
		if g != "" {
			m.Attributes = map[string]string{"MessageGroupId": g}
		}
		ms = append(ms, m)
	}
	return ms
}

func TestAFailedMessageTakesTheLaterOnesOfItsGroupAlong(t *testing.T) {
	for _, tt := range []struct {
		groups []string
		failed []int
		want   string
	}{
		{[]string{"x", "x", "y"}, nil, `{"batchItemFailures":[]}`},
		{[]string{"x", "y", "x", "y", "x"}, []int{2},
			`{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"e"}]}`},
		{[]string{"x", "y", "x", "y"}, []int{3, 0},
			`{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"},{"itemIdentifier":"d"}]}`},
		{[]string{"", "", ""}, []int{1}, `{"batchItemFailures":[{"itemIdentifier":"b"}]}`},
		{nil, nil, `{"batchItemFailures":[]}`},
	} {
		queue := batch.Queue{
			Take: func(context.Context, []tenants.Received) []int {
				return tt.failed
			}, Logger: slog.New(slog.DiscardHandler), Measure: func(...slog.Attr) {},
		}
		got, err := json.Marshal(queue.Handle(t.Context(), events.SQSEvent{Records: messages(tt.groups...)}))
		if err != nil || string(got) != tt.want {
			t.Errorf("response for failures %v of groups %q is %s, %v, want %s", tt.failed, tt.groups, got, err,
				tt.want)
		}
	}
}

func TestTheFirstFailedRecordIsNamed(t *testing.T) {
	rs := make([]events.DynamoDBEventRecord, 4)
	for i := range rs {
		rs[i].Change.SequenceNumber = string(rune('1' + i))
	}
	for want, failed := range map[string][]int{
		`{"batchItemFailures":[]}`:                       nil,
		`{"batchItemFailures":[{"itemIdentifier":"2"}]}`: {3, 1, 2},
		`{"batchItemFailures":[{"itemIdentifier":"1"}]}`: {0},
	} {
		got, err := json.Marshal(batch.Records(rs, failed))
		if err != nil || string(got) != want {
			t.Errorf("response for failures %v is %s, %v, want %s", failed, got, err, want)
		}
	}
}

func TestWithinLeavesTimeToAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		part, end := batch.Within(whole)
		defer end()
		begin := time.Now()
		<-part.Done()
		if took := time.Since(begin); took != 4500*time.Millisecond || whole.Err() != nil {
			t.Errorf("the context ended after %v, and the invocation's has error %v, want 4.5s and none", took,
				whole.Err())
		}
	})
	endless, end := batch.Within(t.Context())
	if _, ok := endless.Deadline(); ok {
		t.Error("Within set a deadline for an invocation without one")
	}
	end()
}
