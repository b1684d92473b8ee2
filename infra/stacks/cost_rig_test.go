package stacks_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	appending "github.com/hookcast/hookcast/functions/append"
	"github.com/hookcast/hookcast/functions/changes"
	"github.com/hookcast/hookcast/functions/ingest"
	"github.com/hookcast/hookcast/infra/awslocal/emulator"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/kms"
	"github.com/hookcast/hookcast/infra/sqs"
	"github.com/hookcast/hookcast/infra/stacks"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
)

var (
	tables = emulator.Share(emulator.DynamoDB)
	queues = emulator.Share(emulator.SQS)
)

func TestMain(m *testing.M) {
	code := m.Run()
	tables.Stop()
	queues.Stop()
	os.Exit(code)
}

const (
	keyARN        = "arn:aws:kms:us-east-1:000000000000:key/cost"
	sourceSecret  = "a secret for tests only"
	costChannel   = "orders"
	costNodes     = 2
	inboxesPrefix = "inbox-"
)

// line is the path of an event as it is deployed, on DynamoDB Local and an SQS server, with a count of what is billed.
type line struct {
	t      *testing.T
	bill   *bill
	keys   aws.Config // for KMS
	table  *dynamo.Table
	name   string
	vault  *kms.Vault
	all    *sqs.SQS
	in     *sqs.Inboxes
	queue  string // URL of the ingest queue
	poller *awssqs.Client
	feed   *dynamo.Feed
	source *stacks.EventSource // the part of the table's stream that changes gets
	ready  tenants.Queue       // the queue of deliveries; nil without endpoints
	tenant tenants.TenantID
	token  string
	nodes  []string
	began  time.Time // when the current pass began
	// The functions, with what they keep in memory between invocations.
	ingest  http.Handler
	appends func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)
	changes func(context.Context, changes.Event) (events.DynamoDBEventResponse, error)
	fed     []tenants.Change // by the numbers in the records for changes
}

func newLine(t *testing.T) *line {
	t.Helper()
	ctx := t.Context()
	tablesURL, queuesURL := tables.URL(t), queues.URL(t)
	master, err := emulator.NewKMS(keyARN, []byte("the secret of a test"))
	if err != nil {
		t.Fatal(err)
	}
	wrapping := httptest.NewServer(master)
	t.Cleanup(wrapping.Close)

	l := &line{t: t, bill: &bill{}, name: tenants.NewID("tbl")}
	at := func(url string, client aws.HTTPClient) aws.Config {
		return aws.Config{Region: "us-east-1", BaseEndpoint: &url, HTTPClient: client,
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "an example's secret", "")}
	}
	free, paid := http.DefaultClient, l.bill
	client := dynamodb.NewFromConfig(at(tablesURL, free))
	must(t, dynamo.Create(ctx, client, l.name))
	t.Cleanup(func() {
		_, _ = client.DeleteTable(context.WithoutCancel(ctx), &dynamodb.DeleteTableInput{TableName: &l.name})
	})
	l.feed, err = dynamo.NewFeed(ctx, client, dynamodbstreams.NewFromConfig(at(tablesURL, free)), l.name)
	must(t, err)
	l.table = dynamo.Open(dynamodb.NewFromConfig(at(tablesURL, paid)), l.name).Metered(&l.bill.units)
	l.poller = awssqs.NewFromConfig(at(queuesURL, free))
	l.all = sqs.New(at(queuesURL, paid))
	l.in = l.all.Inboxes(tenants.NewID(inboxesPrefix))
	made, err := l.poller.CreateQueue(ctx,
		&awssqs.CreateQueueInput{QueueName: aws.String(tenants.NewID("ingest-") + ".fifo"),
			Attributes: map[string]string{"FifoQueue": "true"}})
	must(t, err)
	l.queue = *made.QueueUrl
	l.keys = at(wrapping.URL, paid)
	l.vault = kms.New(l.keys, keyARN, keyARN)
	d := deploy(t)
	l.source = d.Sources[slices.IndexFunc(d.Sources, func(s *stacks.EventSource) bool {
		return s.Function.Name == "changes"
	})]

	deployment, err := keyring.Open(ctx, l.table, l.vault)
	must(t, err)
	accounts := account.NewAccounts(l.table, account.NewNews(l.table, l.in))
	tenant, _, _, err := accounts.Signup(ctx, "Acme", "dev@acme.test")
	must(t, err)
	_, shown, err := source.NewSources(l.table, accounts, l.vault, deployment).Create(ctx, tenant.ID,
		source.Spec{Name: "our repo", Provider: "github", Secret: sourceSecret, Channel: costChannel})
	must(t, err)
	l.token, l.tenant = shown.Token, tenant.ID
	interest := node.NewInterest(l.table)
	for range costNodes {
		node := tenants.NewID("nod_")
		l.nodes = append(l.nodes, node)
		must(t, l.in.Create(ctx, node))
		must(t, interest.Register(ctx, node, time.Now().Add(time.Hour), tenant.ID, costChannel, 1))
	}
	l.start(deployment)
	return l
}

// start makes functions with empty caches.
func (l *line) start(deployment *keyring.Ring) {
	quiet, unmeasured := slog.New(slog.DiscardHandler), func(...slog.Attr) {}
	accounts := account.NewAccounts(l.table, nil)
	in := intake.NewIntake(&limits{LimitLookup: accounts}, eventlog.New(l.table), l.all.Queue(l.queue))
	lookup := &counted{SourceLookup: source.NewSources(l.table, accounts, l.vault, deployment)}
	l.ingest = ingest.Handler(ingest.Options{
		Receiver: &clock{Receiver: intake.NewReceiver(lookup, source.NewVerifier(nil), in), line: l},
		Logger:   quiet, PublicURL: "https://api.example.com", MaxBody: tenants.MaxEventBytes,
	})
	appender := intake.NewAppender(eventlog.New(l.table), node.NewInterest(l.table), l.in, nil)
	appender.Tenants = &limits{LimitLookup: account.NewAccounts(l.table, nil)}
	l.appends = appending.Handler(appending.Options{Appender: appender, Logger: quiet, Measure: unmeasured})
	l.changes = changes.Handler(changes.Options{
		Decode: func(record []byte) (tenants.Change, error) {
			var r struct{ Number int }
			err := json.Unmarshal(record, &r)
			return l.fed[r.Number], err
		},
		Usage: projection.NewMonthlyUsage(l.table), Index: projection.NewEventIndex(l.table),
		Out: delivery.NewDispatcher(l.outbox(accounts)), News: account.NewNews(l.table, l.in), Logger: quiet,
		Measure: unmeasured,
	})
}

// dispatching is the number of round trips that find out that a tenant has no endpoints.
const dispatching = 1

// outbox returns the outbox of deliveries, over the line's queues. Without endpoints it has none.
func (l *line) outbox(accounts *account.Accounts) *delivery.Outbox {
	return &delivery.Outbox{
		Table: l.table, Log: eventlog.New(l.table),
		Endpoints: endpoint.NewEndpoints(l.table, accounts, nil, new(keyring.Ring), endpoint.Options{}),
		Ready:     l.ready, Waiting: l.ready,
	}
}

// limits and source cache their first answer for good. The caches that they replace keep it for 5 s, which on a slow
// machine may end in the middle of a pass.
type limits struct {
	tenants.LimitLookup
	mu   sync.Mutex
	told *tenants.Limits
}

func (k *limits) Limits(ctx context.Context, t tenants.TenantID) (tenants.Limits, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.told != nil {
		return *k.told, nil
	}
	got, err := k.LimitLookup.Limits(ctx, t)
	if err == nil {
		k.told = &got
	}
	return got, err
}

type counted struct {
	intake.SourceLookup
	told    *source.Source
	secrets []signing.Secret
}

func (k *counted) ByToken(ctx context.Context, token string) (source.Source, []signing.Secret, error) {
	if k.told != nil {
		return *k.told, k.secrets, nil
	}
	got, secrets, err := k.SourceLookup.ByToken(ctx, token)
	if err == nil {
		k.told, k.secrets = &got, secrets
	}
	return got, secrets, err
}

// clock makes all webhooks of a pass arrive at once, however long the test takes to send them: webhooks that arrive
// seconds apart are not one batch.
type clock struct {
	*intake.Receiver
	line *line
}

func (c *clock) Receive(ctx context.Context, in intake.Inbound) (intake.Accepted, error) {
	in.Received = c.line.began
	return c.Receiver.Receive(ctx, in)
}

// forget empties the caches of the functions, except for what a process reads once: as after a pause, when all cached
// rows have expired.
func (l *line) forget() {
	l.t.Helper()
	l.vault = kms.New(l.keys, keyARN, keyARN)
	// a process does this once, when it starts
	deployment, err := keyring.Open(l.t.Context(), l.table, l.vault)
	must(l.t, err)
	l.vault = kms.New(l.keys, keyARN, keyARN)
	l.start(deployment)
}

// pass takes n events of size random bytes, which do not compress, along the whole path. It returns the average cost of
// one.
func (l *line) pass(n, size int) cost {
	l.t.Helper()
	before, puts := l.bill.sum(), l.bill.puts
	l.began = time.Now()
	for range n {
		asked := l.bill.asked
		l.post(size)
		l.bill.add(cost{Gateway: 1, Invocations: 1, Ingest: l.bill.asked - asked})
	}
	asked := l.bill.asked
	l.append(n)
	// claims run in parallel, and so do notices
	l.bill.add(cost{Append: l.bill.asked - asked - float64(n-1) - (costNodes - 1)})
	for _, node := range l.nodes {
		l.deliver(node, n)
	}
	asked = l.bill.asked
	l.count(n)
	// the index is written while usage is counted and endpoints are looked up
	l.bill.add(cost{Changes: l.bill.asked - asked - 1 - dispatching})
	sum := l.bill.sum().minus(before)
	if puts = l.bill.puts - puts; puts != sum.WriteUnits {
		l.t.Errorf("DynamoDB reports %v write units, want %v by the items' sizes", sum.WriteUnits, puts)
	}
	return sum.over(n)
}

// post sends a signed webhook.
func (l *line) post(size int) {
	l.t.Helper()
	body := make([]byte, size)
	rand.Read(body)
	mac := hmac.New(sha256.New, []byte(sourceSecret))
	mac.Write(body)
	r := httptest.NewRequest("POST", "/in/"+l.token, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("X-GitHub-Event", "push")
	r.Header.Set("X-GitHub-Delivery", rand.Text())
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	w := httptest.NewRecorder()
	l.ingest.ServeHTTP(w, r)
	if w.Code != 202 {
		l.t.Fatalf("the webhook is answered %d %s, want 202", w.Code, w.Body)
	}
}

// append does what the event source mapping of the ingest queue does and bills one receive and one delete. The test may
// need several receives to get all n messages.
func (l *line) append(n int) {
	l.t.Helper()
	ctx := l.t.Context()
	var e events.SQSEvent
	bytes := 0
	for len(e.Records) < n {
		out, err := l.poller.ReceiveMessage(ctx,
			&awssqs.ReceiveMessageInput{QueueUrl: &l.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 20,
				MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}})
		must(l.t, err)
		for _, m := range out.Messages {
			e.Records = append(e.Records, events.SQSMessage{MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle,
				Body: *m.Body, Attributes: m.Attributes})
			bytes += len(*m.Body)
			// Deleting it makes the queue give out the rest of the group. The test holds the message.
			_, err := l.poller.DeleteMessage(ctx, &awssqs.DeleteMessageInput{QueueUrl: &l.queue,
				ReceiptHandle: m.ReceiptHandle})
			must(l.t, err)
		}
	}
	answer, err := l.appends(ctx, e)
	if err != nil || len(answer.BatchItemFailures) > 0 {
		l.t.Fatalf("the function answers %+v, %v, want no failures", answer, err)
	}
	l.bill.add(cost{Invocations: 1, FIFO: float64(requestsOf(bytes) + 1)}) // a receive and a delete
}

// deliver empties the node's inbox, as the node does.
func (l *line) deliver(node string, n int) {
	l.t.Helper()
	got := 0
	for got < n {
		ns, done, err := l.in.Open(node).Receive(l.t.Context())
		must(l.t, err)
		for _, notice := range ns {
			got += len(notice.Events)
		}
		must(l.t, done(l.t.Context()))
	}
}

// count does what the event source mapping of the table's stream does. Lambda's reads of the stream are free.
func (l *line) count(n int) {
	l.t.Helper()
	var e changes.Event
	l.fed = nil
	for len(e.Records) < n {
		cs, done, err := l.feed.Next(l.t.Context(), 100)
		must(l.t, err)
		for _, c := range cs {
			record, err := json.Marshal(map[string]any{"Number": len(l.fed), "eventName": eventOf(c),
				"dynamodb": map[string]any{
					"SequenceNumber": strconv.Itoa(len(l.fed)),
					"NewImage":       map[string]any{dynamo.AttrFamily: map[string]any{"S": dynamo.Family(c.Row.Kind)}},
				}})
			must(l.t, err)
			var fields any
			must(l.t, json.Unmarshal(record, &fields))
			if l.source.Wants(fields) && strings.HasPrefix(string(c.Row.Kind), "log/") {
				l.fed = append(l.fed, c)
				e.Records = append(e.Records, record)
			}
		}
		must(l.t, done(l.t.Context()))
	}
	answer, err := l.changes(l.t.Context(), e)
	if err != nil || len(answer.BatchItemFailures) > 0 {
		l.t.Fatalf("the function answers %+v, %v, want no failures", answer, err)
	}
	l.bill.add(cost{Invocations: 1})
}

func eventOf(c tenants.Change) string {
	switch {
	case c.Deleted:
		return "REMOVE"
	case c.Row.Version == 1:
		return "INSERT"
	}
	return "MODIFY"
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
