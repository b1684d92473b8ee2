package appending_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	appending "github.com/hookcast/hookcast/functions/append"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/trace"
)

// recorder is an Appender that records a batch and fails the given indexes.
type recorder struct {
	got    []tenants.Received
	failed []int
	ended  bool // whether ctx had a deadline
}

func (r *recorder) Append(ctx context.Context, rs []tenants.Received) []int {
	r.got = rs
	_, r.ended = ctx.Deadline()
	return r.failed
}

// event is like the one in https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html.
const event = `{"Records": [
	{"messageId": "one", "receiptHandle": "r1", "body": "BODY1", "attributes": {
	 "ApproximateReceiveCount": "3", "SentTimestamp": "1545082649183", "SequenceNumber": "1", "MessageGroupId": "g",
	 "SenderId": "A", "MessageDeduplicationId": "d", "ApproximateFirstReceiveTimestamp": "1545082649185"},
	 "messageAttributes": {}, "md5OfBody": "e4", "eventSource": "aws:sqs",
	 "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:q.fifo", "awsRegion": "us-east-2"},
	{"messageId": "two", "receiptHandle": "r2", "body": "no base64!", "attributes": {"MessageGroupId": "g"}},
	{"messageId": "three", "receiptHandle": "r3", "body": "", "attributes": {"MessageGroupId": "h"}}]}`

func handle(t *testing.T, r *recorder, log *bytes.Buffer) (answer string, measured map[string]int64) {
	t.Helper()
	var e events.SQSEvent
	if err := json.Unmarshal([]byte(strings.Replace(event, "BODY1",
		base64.StdEncoding.EncodeToString([]byte("\xff\x00")), 1)), &e); err != nil {
		t.Fatal(err)
	}
	measured = make(map[string]int64)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := appending.Handler(appending.Options{
		Appender: r, Logger: slog.New(slog.NewJSONHandler(log, nil)), Measure: func(vs ...slog.Attr) {
			for _, v := range vs {
				if v.Value.Kind() == slog.KindInt64 {
					measured[v.Key] = v.Value.Int64()
				}
			}
		},
	})(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), measured
}

func TestMessagesComeAsTheQueueHasThem(t *testing.T) {
	r := &recorder{}
	answer, measured := handle(t, r, new(bytes.Buffer))
	if answer != `{"batchItemFailures":[]}` || measured["Appended"] != 3 || !r.ended {
		t.Errorf("response %s and metrics %v, want no failures, 3 appended and a deadline", answer, measured)
	}
	one := r.got[0]
	if string(one.Body) != "\xff\x00" || one.Group != "g" || one.Dedupe != "d" || one.Receipt != "r1" ||
		one.Receives != 3 || one.Sent.UnixMilli() != 1545082649183 {
		t.Errorf("the first message is %+v", one)
	}
	two := r.got[1] // the Appender refuses it
	if string(two.Body) != "no base64!" || two.Receives != 0 || !two.Sent.IsZero() {
		t.Errorf("the second message is %+v, want the body unchanged", two)
	}
}

// rows is a table that counts its writes, or fails them if full.
type rows struct {
	tenants.Table
	writes atomic.Int64
	full   bool
}

func (r *rows) Write(context.Context, ...tenants.Op) error {
	if r.full {
		return tenants.Errorf(tenants.Unavailable, "throttled", "the table is throttled")
	}
	r.writes.Add(1)
	return nil
}

// tracing is an Appender that records a step for each event.
type tracing struct {
	recorder
	tracer *trace.Tracer
}

func (a *tracing) Append(ctx context.Context, rs []tenants.Received) []int {
	for range rs {
		a.tracer.Step("ten_a", tenants.NewID(tenants.PrefixEvent), time.Now(),
			trace.Step{Name: trace.StepAppended, At: time.Now()})
	}
	return a.recorder.Append(ctx, rs)
}

func TestWhatWasTracedIsWrittenBeforeTheAnswerOrMeasuredAsDropped(t *testing.T) {
	table := &rows{}
	a := &tracing{tracer: trace.NewTracer(table, nil)}
	var dropped []int64
	handler := appending.Handler(appending.Options{Appender: a, Tracer: a.tracer, Logger: slog.New(slog.DiscardHandler),
		Measure: func(vs ...slog.Attr) {
			for _, v := range vs {
				if v.Key == "TraceDropped" {
					dropped = append(dropped, v.Value.Int64())
				}
			}
		}})
	batch := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "one"}, {MessageId: "two"}}}
	for _, full := range []bool{false, true, false} {
		table.full = full
		if out, err := handler(t.Context(), batch); err != nil || len(out.BatchItemFailures) != 0 {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	if table.writes.Load() != 4 || !slices.Equal(dropped, []int64{2}) {
		t.Errorf("%d rows were written and %v dropped, want 4 and 2", table.writes.Load(), dropped)
	}
}

func TestWhatFailedIsNamedWithTheLaterOnesOfItsGroup(t *testing.T) {
	var log bytes.Buffer
	r := &recorder{failed: []int{0}}
	answer, measured := handle(t, r, &log)
	if answer != `{"batchItemFailures":[{"itemIdentifier":"one"},{"itemIdentifier":"two"}]}` ||
		measured["Appended"] != 1 || measured["AppendedFailed"] != 2 {
		t.Errorf("response %s and metrics %v, want one and two failed, 1 appended", answer, measured)
	}
	if !strings.Contains(log.String(), `"failed":2`) || strings.Contains(log.String(), "base64") {
		t.Errorf("logged %s, want 2 failed and no bodies", &log)
	}
}

// A batch's log line names the tenants of its events, but nothing of their content.
func TestTheLogNamesTheTenantsOfABatch(t *testing.T) {
	one, two := tenants.NewID(tenants.PrefixTenant), tenants.NewID(tenants.PrefixTenant)
	var e events.SQSEvent
	for _, tenant := range []string{one, two, one, "no tenant's id"} {
		body := tenants.EncodeEvent(tenants.Event{ID: tenants.NewID(tenants.PrefixEvent),
			Tenant: tenants.TenantID(tenant), Channel: "orders", Data: []byte("a-secret")})
		e.Records = append(e.Records, events.SQSMessage{Body: base64.StdEncoding.EncodeToString(body)})
	}
	e.Records = append(e.Records, events.SQSMessage{Body: "a-secret"})
	var log bytes.Buffer
	_, err := appending.Handler(appending.Options{Appender: &recorder{},
		Logger: slog.New(slog.NewJSONHandler(&log, nil)), Measure: func(...slog.Attr) {}})(t.Context(), e)
	if err != nil || !strings.Contains(log.String(), `"tenants":["`+one+`","`+two+`"],"messages":5`) ||
		strings.Contains(log.String(), "secret") {
		t.Errorf("Handler = %v and logged %s, want both tenants, 5 messages and no content", err, &log)
	}
}
