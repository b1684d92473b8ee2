package main

import (
	"context"
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
)

// goneTenant queues events of a deleted tenant between those of an existing one. Only the
// latter reach a log, and none the dead-letter queue.
func goneTenant(t *testing.T, l *local) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d := endtoend.Deployment{API: "http://" + l.c.api, HTTP: http.DefaultClient}
	here, gone := tenants.TenantID(d.Signup(t, "here").ID), tenants.TenantID(tenants.NewID(tenants.PrefixTenant))
	url := l.cloud.urls[stack+"-ingest.fifo"]
	const each = 3
	var lost []string
	for range each {
		for _, tenant := range []tenants.TenantID{gone, here} {
			e := tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Tenant: tenant, Channel: "orders", Type: "push",
				Data: []byte(`{}`), Time: time.Now()}
			if tenant == gone {
				lost = append(lost, e.ID)
			}
			if _, err := l.cloud.queues.SendMessage(ctx, &sqs.SendMessageInput{
				QueueUrl: &url, MessageGroupId: aws.String(string(tenant)), MessageDeduplicationId: &e.ID,
				MessageBody: aws.String(base64.StdEncoding.EncodeToString(tenants.EncodeEvent(e))),
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	waiting := func(url string) bool {
		out, err := l.cloud.queues.GetQueueAttributes(ctx,
			&sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{
				types.QueueAttributeNameApproximateNumberOfMessages,
				types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
			}})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes["ApproximateNumberOfMessages"] != "0" ||
			out.Attributes["ApproximateNumberOfMessagesNotVisible"] != "0"
	}
	for waiting(url) {
		sleep(ctx, 20*time.Millisecond)
	}
	log := eventlog.New(dynamo.Open(l.cloud.tables, stack+"-Table"))
	for tenant, want := range map[tenants.TenantID]int64{here: each, gone: 0} {
		if tail, err := log.Tail(ctx, tenant, "orders"); err != nil || tail != want {
			t.Errorf("the log of %s has %d events (%v), want %d", tenant, tail, err, want)
		}
	}
	for _, id := range lost {
		if _, err := log.Event(ctx, gone, id, tenants.Retention{}); tenants.KindOf(err) != tenants.NotFound {
			t.Errorf("an event of the deleted tenant was stored: %v", err)
		}
	}
	if waiting(l.cloud.urls[stack+"-ingest-dead.fifo"]) {
		t.Error("a message went to the dead-letter queue")
	}
}
