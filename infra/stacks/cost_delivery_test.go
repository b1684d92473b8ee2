package stacks_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hookcast/hookcast/functions/deliver"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/keyring"
)

// serverTime is the assumed time in seconds that an endpoint's server takes to answer.
const serverTime = 0.100

// deliveryRows are the rows of the guide's table of deliveries. A delivery is billed on top of its event.
var deliveryRows = []struct {
	what   string
	price  float64
	amount func(deliveryCost) float64
	format string
}{
	{"invocations of functions", 0.20, func(c deliveryCost) float64 { return c.Invocations }, "%.4g"},
	{"round trips, and an answer of 0.1 s, that functions wait for", 0, func(c deliveryCost) float64 {
		return c.trips
	}, "%.4g"},
	{"GB-seconds of functions", 13.3334, func(c deliveryCost) float64 {
		return (c.trips*roundTrip + serverTime*c.Invocations) * deliverMemory
	}, "%.4f"},
	{"requests to SQS, FIFO", 0.50, func(c deliveryCost) float64 { return c.FIFO }, "%.4g"},
	{"write units", 0.625, func(c deliveryCost) float64 { return c.WriteUnits }, "%.4g"},
	{"read units", 0.125, func(c deliveryCost) float64 { return c.ReadUnits }, "%.4g"},
	{"KB of logs", 0.50, func(c deliveryCost) float64 { return c.Invocations * loggedPerCall }, "%.4g"},
}

const deliverMemory = 0.25

type deliveryCost struct {
	cost
	trips float64 // sequential ones
}

// accepting is a Sender whose servers answer everything with 200.
type accepting struct{ sent atomic.Int64 }

func (a *accepting) Send(context.Context, tenants.Outgoing) tenants.Answer {
	a.sent.Add(1)
	header := map[string][]string{"Content-Type": {"text/plain"}, "Server": {"nginx"}}
	return tenants.Answer{Status: 200, Connected: true, Header: header, Body: []byte("ok")}
}

// TestCostPerDeliveryIsWhatTheReadmeSays counts the cost of delivering events to one endpoint, from the dispatcher on,
// and compares the guide's table.
func TestCostPerDeliveryIsWhatTheReadmeSays(t *testing.T) {
	if gb := float64(deploy(t).Function("deliver").MemoryMB) / 1024; gb != deliverMemory {
		t.Errorf("the function deliver has %v GB, want %v, as its price is counted", gb, deliverMemory)
	}
	stated := tableOf(t, "| per delivery |")
	for i, n := range []int{10, 1} {
		c := deliverSome(t, n)
		var cells []string
		sum := 0.0
		for _, r := range deliveryRows {
			cells = append(cells, fmt.Sprintf(r.format, r.amount(c)))
			sum += r.price * r.amount(c)
		}
		got := strings.Join(append(cells, fmt.Sprintf("**%.2f**", sum)), "|")
		want := ""
		if i < len(stated.columns) {
			want = strings.Join(stated.columns[i], "|")
		}
		if got != want {
			t.Errorf("%d at once: the guide says %s, counted %s", n, want, got)
		}
	}
	for i, r := range deliveryRows {
		if i >= len(stated.rows) || stated.rows[i][0] != r.what || stated.rows[i][1] != priced(r.price) {
			t.Errorf("row %d of the table is not %q at %q", i+1, r.what, priced(r.price))
		}
	}
}

func deliverSome(t *testing.T, n int) deliveryCost {
	l := newLine(t)
	ctx := t.Context()
	made, err := l.poller.CreateQueue(ctx,
		&awssqs.CreateQueueInput{QueueName: aws.String(tenants.NewID("deliver-") + ".fifo"),
			Attributes: map[string]string{"FifoQueue": "true"}})
	must(t, err)
	l.ready = l.all.Queue(*made.QueueUrl)
	accounts := account.NewAccounts(l.table, account.NewNews(l.table, l.in))
	deployment, err := keyring.Open(ctx, l.table, l.vault)
	must(t, err)
	endpoints := endpoint.NewEndpoints(l.table, accounts, l.vault, deployment,
		endpoint.Options{Destinations: anywhere{}})
	_, _, err = endpoints.Create(ctx, l.tenant,
		endpoint.Spec{Name: "receiver", URL: "https://hooks.example.com/", Concurrency: 64})
	must(t, err)
	box := l.outbox(accounts)
	box.Endpoints, box.Tenants = endpoints, &limits{LimitLookup: accounts}
	receiver := &accepting{}
	handler := deliver.Handler(deliver.Options{Deliverer: delivery.NewDeliverer(box, receiver),
		Logger: slog.New(slog.DiscardHandler), Measure: func(...slog.Attr) {}})

	// The first pass fills the caches and is not counted; the second is.
	var sum deliveryCost
	for _, name := range []string{"first", "second"} {
		batch := make([]tenants.Event, n)
		for i := range batch {
			batch[i] = tenants.Event{ID: tenants.DerivedID(tenants.PrefixEvent, name, fmt.Sprint(i)), Type: "test",
				Data: make([]byte, 1<<10), Time: time.Now().UTC().Add(time.Second)}
		}
		stored, err := eventlog.New(l.table).Append(ctx, l.tenant, costChannel, batch)
		must(t, err)
		changes := make([]tenants.Change, n)
		for i, e := range stored {
			changes[i] = tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: l.tenant, Kind: "log/" + costChannel,
				Sort: fmt.Sprint(e.Seq)}, Version: 1, Body: tenants.EncodeEvent(e)}}
		}
		before, asked := l.bill.sum(), l.bill.asked
		if failed, err := delivery.NewDispatcher(box).Dispatch(ctx, changes); err != nil || len(failed) > 0 {
			t.Fatal(failed, err)
		}
		trips := l.bill.asked - asked
		e := l.receiveAll(*made.QueueUrl, n)
		out, err := handler(ctx, e)
		if err != nil || len(out.BatchItemFailures) > 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		// The reads of one delivery run in parallel, and so do the deliveries of a batch: two round trips for all.
		sum = deliveryCost{l.bill.sum().minus(before).plus(cost{Invocations: 1, FIFO: 2}).over(n),
			(trips + 2) / float64(n)}
	}
	if sent := receiver.sent.Load(); sent != int64(2*n) {
		t.Fatalf("%d deliveries were sent, want %d", sent, 2*n)
	}
	return sum
}

// anywhere is a Destinations that allows every URL.
type anywhere struct{}

func (anywhere) CheckURL(_ context.Context, raw string) (string, error) { return raw, nil }

// receiveAll takes n messages from a FIFO queue and bills nothing: the receive and the delete of a batch are counted
// separately.
func (l *line) receiveAll(url string, n int) (e events.SQSEvent) {
	l.t.Helper()
	for len(e.Records) < n {
		out, err := l.poller.ReceiveMessage(l.t.Context(),
			&awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 20,
				MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}})
		must(l.t, err)
		for _, m := range out.Messages {
			e.Records = append(e.Records, events.SQSMessage{MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle,
				Body: *m.Body, Attributes: m.Attributes})
			_, err := l.poller.DeleteMessage(l.t.Context(),
				&awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
			must(l.t, err)
		}
	}
	return e
}
