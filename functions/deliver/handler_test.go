package deliver_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/functions/deliver"
	"github.com/hookcast/hookcast/tenants"
)

// world is a Deliverer that records batches and fails the given indexes.
type world struct {
	ready, waiting []string
	fails          []int
}

func bodies(rs []tenants.Received) (list []string) {
	for _, r := range rs {
		list = append(list, string(r.Body))
	}
	return list
}

func (w *world) Deliver(_ context.Context, rs []tenants.Received) []int {
	w.ready = bodies(rs)
	return w.fails
}

func (w *world) Forward(_ context.Context, rs []tenants.Received) []int {
	w.waiting = bodies(rs)
	return w.fails
}

// batch passes a batch with one message for each group to the handler, and returns the response as JSON.
func (w *world) batch(t *testing.T, groups ...string) string {
	t.Helper()
	var e events.SQSEvent
	for i, g := range groups {
		m := events.SQSMessage{MessageId: string(rune('a' + i)),
			Body:       base64.StdEncoding.EncodeToString([]byte{byte('0' + i)}),
			Attributes: map[string]string{"ApproximateReceiveCount": "1"}}
		if g != "" {
			m.Attributes["MessageGroupId"] = g
		}
		e.Records = append(e.Records, m)
	}
	var log bytes.Buffer
	out, err := deliver.Handler(deliver.Options{Deliverer: w, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
		Measure: func(...slog.Attr) {}})(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEachQueueHasItsWay(t *testing.T) {
	w := &world{}
	if got := w.batch(t, "end_1/0", "end_2/0"); got != `{"batchItemFailures":[]}` ||
		!slices.Equal(w.ready, []string{"0", "1"}) || w.waiting != nil {
		t.Errorf("response %s; ready %q, waiting %q, want both messages ready", got, w.ready, w.waiting)
	}
	w = &world{}
	if got := w.batch(t, "", ""); got != `{"batchItemFailures":[]}` || !slices.Equal(w.waiting, []string{"0", "1"}) ||
		w.ready != nil {
		t.Errorf("response %s; ready %q, waiting %q, want both messages waiting", got, w.ready, w.waiting)
	}
	if got := (&world{}).batch(t); got != `{"batchItemFailures":[]}` {
		t.Errorf("response to an empty batch is %s, want no failures", got)
	}
}

// Attack 61: the response names a failed message and the later ones of its group, and no others.
func TestAttackPartOfABatchFails(t *testing.T) {
	w := &world{fails: []int{1}}
	if got := w.batch(t, "end_1/0", "end_2/0", "end_2/0",
		"end_3/0"); got != `{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"c"}]}` {
		t.Errorf("response %s, want b and c", got)
	}
	w = &world{fails: []int{1}}
	if got := w.batch(t, "", "", ""); got != `{"batchItemFailures":[{"itemIdentifier":"b"}]}` {
		t.Errorf("response %s, want b", got)
	}
}
