package sqs_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hookcast/hookcast/infra/sqs"
	"github.com/hookcast/hookcast/tenants"
)

// counter counts the calls of each action.
type counter struct {
	mu    sync.Mutex
	calls map[string]int
}

func (c *counter) Do(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.calls[strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")]++
	c.mu.Unlock()
	return http.DefaultClient.Do(r)
}

func (c *counter) of(action string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[action]
}

func inboxes(t *testing.T) (*sqs.Inboxes, *counter, string) {
	t.Helper()
	c := &counter{calls: map[string]int{}}
	cfg := hasty(at(server.URL(t)))
	cfg.HTTPClient = c
	prefix := tenants.NewID("in-") + "-"
	return sqs.New(cfg).Inboxes(prefix), c, prefix
}

func notice(channel string, seqs ...int64) tenants.InboxMessage {
	n := tenants.InboxMessage{Tenant: "ten_01arz3ndektsv4rrffq69g5fav", Channel: channel}
	for _, s := range seqs {
		n.Events = append(n.Events, tenants.Event{ID: "evt_x", Tenant: n.Tenant, Channel: channel,
			Seq: s, Data: []byte{0, 1, 0xff}})
	}
	return n
}

func TestNoticesReachTheirNode(t *testing.T) {
	t.Parallel()
	in, calls, _ := inboxes(t)
	ctx := t.Context()
	for _, node := range []string{"nod_a-1", "nod_b-1"} {
		start := time.Now()
		if err := in.Create(ctx, node); err != nil {
			t.Fatal(err)
		}
		if time.Since(start) < time.Second {
			t.Error("Create returned in less than the second that SQS needs")
		}
	}
	want := []tenants.InboxMessage{notice("orders", 1, 2), notice("returns", 9), notice("")}
	if err := in.Send(ctx, "nod_a-1", want...); err != nil {
		t.Fatal(err)
	}
	if err := in.Send(ctx, "nod_b-1", notice("other", 5)); err != nil {
		t.Fatal(err)
	}
	got, done, err := in.Open("nod_a-1").Receive(ctx)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Receive = %+v, %v, want %+v", got, err, want)
	}
	if err := done(ctx); err != nil {
		t.Error(err)
	}
	if n := calls.of("GetQueueUrl") + calls.of("SendMessage"); n != 0 || calls.of("SendMessageBatch") != 2 ||
		calls.of("DeleteMessageBatch") != 1 {
		t.Errorf("calls %v, want 2 SendMessageBatch, 1 DeleteMessageBatch and no lookups", calls.calls)
	}
}

// A sender that did not create the inbox looks up its URL once.
func TestASenderAsksForAURLOnce(t *testing.T) {
	t.Parallel()
	in, _, prefix := inboxes(t)
	if err := in.Create(t.Context(), "nod_a-1"); err != nil {
		t.Fatal(err)
	}
	c := &counter{calls: map[string]int{}}
	cfg := at(server.URL(t))
	cfg.HTTPClient = c
	sender := sqs.New(cfg).Inboxes(prefix)
	for range 3 {
		if err := sender.Send(t.Context(), "nod_a-1", notice("orders", 1)); err != nil {
			t.Fatal(err)
		}
	}
	if c.of("GetQueueUrl") != 1 || c.of("SendMessageBatch") != 3 {
		t.Errorf("calls %v, want 1 GetQueueUrl and 3 SendMessageBatch", c.calls)
	}

	// The inbox is deleted while the sender still remembers its URL.
	if err := in.Delete(t.Context(), "nod_a-1"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := sender.Send(t.Context(), "nod_a-1", notice("orders", 2)); tenants.KindOf(err) != tenants.NotFound ||
			tenants.CodeOf(err) != "inbox_gone" {
			t.Errorf("Send to a deleted inbox = %v, want inbox_gone", err)
		}
	}
	if c.of("SendMessageBatch") != 4 || c.of("GetQueueUrl") != 2 {
		t.Errorf("calls %v, want 4 SendMessageBatch and 2 GetQueueUrl: the queue was not forgotten", c.calls)
	}
}

func TestANodeLearnsThatItsInboxIsGone(t *testing.T) {
	t.Parallel()
	in, _, prefix := inboxes(t)
	if err := in.Create(t.Context(), "nod_a-1"); err != nil {
		t.Fatal(err)
	}
	other := sqs.New(at(server.URL(t))).Inboxes(prefix)
	ended := make(chan error)
	receiving := make(chan struct{})
	go func() {
		box := in.Open("nod_a-1")
		close(receiving)
		for {
			if _, _, err := box.Receive(context.Background()); err != nil {
				ended <- err
				return
			}
		}
	}()
	<-receiving
	if err := other.Delete(t.Context(), "nod_a-1"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; tenants.KindOf(err) != tenants.NotFound || tenants.CodeOf(err) != "inbox_gone" {
		t.Errorf("Receive from a deleted inbox = %v, want inbox_gone", err)
	}
	if err := other.Delete(t.Context(), "nod_a-1"); err != nil {
		t.Errorf("second Delete = %v, want nil", err)
	}
	if err := in.Delete(t.Context(), "nod_a-1"); err != nil {
		t.Errorf("Delete of a remembered queue = %v, want nil", err)
	}
}

func TestInboxesAreListed(t *testing.T) {
	t.Parallel()
	in, _, _ := inboxes(t)
	ctx := t.Context()
	for _, node := range []string{"nod_a-1", "nod_b-1"} {
		if err := in.Create(ctx, node); err != nil {
			t.Fatal(err)
		}
	}
	list, err := in.List(ctx)
	if slices.Sort(list); err != nil || !slices.Equal(list, []string{"nod_a-1", "nod_b-1"}) {
		t.Errorf("List = %v, %v, want both nodes", list, err)
	}
	if err := in.Delete(ctx, "nod_a-1"); err != nil {
		t.Fatal(err)
	}
	if list, err := in.List(ctx); err != nil || !slices.Equal(list, []string{"nod_b-1"}) {
		t.Errorf("List = %v, %v, want nod_b-1", list, err)
	}
}

// The emulator does not support pages.
func TestAllPagesAreListed(t *testing.T) {
	t.Parallel()
	f := newFake(t, "q", func(n int, _ call) answer {
		switch n {
		case 1:
			return answer{body: map[string]any{"QueueUrls": []string{"http://h/1/in-a"}, "NextToken": "t"}}
		case 2:
			return answer{body: map[string]any{"QueueUrls": []string{"http://h/1/in-b"}}}
		}
		return answer{status: 400, code: "AccessDenied"}
	})
	if list, err := f.all.Inboxes("in-").List(t.Context()); err != nil || !slices.Equal(list, []string{"a", "b"}) {
		t.Errorf("List = %v, %v, want a and b", list, err)
	}
	if _, err := f.all.Inboxes("in-").List(t.Context()); err == nil || tenants.CodeOf(err) != "queue_refused" {
		t.Errorf("List = %v, want queue_refused", err)
	}
}

func TestWhatIsNoNoticeIsDropped(t *testing.T) {
	t.Parallel()
	in, _, prefix := inboxes(t)
	ctx := t.Context()
	if err := in.Create(ctx, "nod_a-1"); err != nil {
		t.Fatal(err)
	}
	client := awssqs.NewFromConfig(at(server.URL(t)))
	url, err := client.GetQueueUrl(ctx, &awssqs.GetQueueUrlInput{QueueName: aws.String(prefix + "nod_a-1")})
	if err != nil {
		t.Fatal(err)
	}
	newer := "/w==" // version 255
	for _, body := range []string{"no base64", newer} {
		if _, err := client.SendMessage(ctx, &awssqs.SendMessageInput{QueueUrl: url.QueueUrl,
			MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	if err := in.Send(ctx, "nod_a-1", notice("orders", 1)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	box := in.Open("nod_a-1")
	box.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ns, done, err := box.Receive(ctx)
	if err != nil || len(ns) != 1 || ns[0].Channel != "orders" {
		t.Fatalf("Receive = %+v, %v, want the notice of orders", ns, err)
	}
	if err := done(ctx); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "not a valid notice"); n != 2 || strings.Contains(log.String(), "no base64") {
		t.Errorf("the log is %s, want two warnings without the bodies", log.String())
	}
	got, err := client.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{QueueUrl: url.QueueUrl,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil || got.Attributes["ApproximateNumberOfMessages"] != "0" ||
		got.Attributes["ApproximateNumberOfMessagesNotVisible"] != "0" {
		t.Errorf("the queue has %v, %v, want no messages", got.Attributes, err)
	}
	if got.Attributes["MessageRetentionPeriod"] != "300" || got.Attributes["VisibilityTimeout"] != "30" {
		t.Errorf("the queue has attributes %v, want a retention of 300 and a visibility timeout of 30", got.Attributes)
	}
}
