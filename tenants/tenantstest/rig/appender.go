package rig

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// Inboxes remembers the messages sent to each node, and fails for the nodes in Fail.
type Inboxes struct {
	Mu   sync.Mutex
	Sent map[string][]tenants.InboxMessage
	Fail map[string]error
}

// Send implements tenants.Inboxes.
func (b *Inboxes) Send(_ context.Context, node string, ms ...tenants.InboxMessage) error {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	if err := b.Fail[node]; err != nil {
		return err
	}
	if b.Sent == nil {
		b.Sent = make(map[string][]tenants.InboxMessage)
	}
	b.Sent[node] = append(b.Sent[node], ms...)
	return nil
}

// Got returns a text for each message to the node: the channel, ": ", and the data of its events.
func (b *Inboxes) Got(node string) (texts []string) {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	for _, m := range b.Sent[node] {
		texts = append(texts, m.Channel+": "+strings.Join(DataOf(m.Events), " "))
	}
	return texts
}

// AppenderRig is an appender, with its queue, its log and the inboxes that it sends to.
type AppenderRig struct {
	*intake.Appender
	Table    *tenantstest.Table
	Queue    *tenantstest.Queue
	Log      *eventlog.Log
	Interest *node.Interest
	Inboxes  *Inboxes
}

// NewAppenderRig returns an AppenderRig over the table, with a queue that has the same faults.
func NewAppenderRig(table *tenantstest.Table, faults tenantstest.Faults) AppenderRig {
	r := AppenderRig{
		Table: table, Queue: tenantstest.NewQueue(tenantstest.QueueOptions{Faults: faults}),
		Log: eventlog.New(table), Interest: node.NewInterest(table), Inboxes: &Inboxes{Fail: make(map[string]error)},
	}
	r.Appender = intake.NewAppender(r.Log, r.Interest, r.Inboxes, r.Queue)
	return r
}

// Register gives the node a subscriber of a channel of LogTenant.
func (r AppenderRig) Register(t *testing.T, node, channel string) {
	t.Helper()
	err := r.Interest.Register(context.Background(), node, time.Now().Add(time.Hour), LogTenant, channel, 0)
	if err != nil {
		t.Fatal(err)
	}
}

// Message returns the queue message of an event of LogTenant.
func Message(channel string, e tenants.Event) tenants.Message {
	e.Tenant, e.Channel = LogTenant, channel
	return tenants.Message{Group: "group-of-" + channel, Body: tenants.EncodeEvent(e)}
}

// Received returns the messages of events as the queue gives them out for the first time.
func Received(channel string, events ...tenants.Event) (rs []tenants.Received) {
	for _, e := range events {
		rs = append(rs, tenants.Received{Message: Message(channel, e), Receives: 1})
	}
	return rs
}
