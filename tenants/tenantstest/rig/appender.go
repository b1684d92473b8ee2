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

// Inboxes remembers what nodes were sent.
type Inboxes struct {
	Mu   sync.Mutex
	Sent map[string][]tenants.InboxMessage
	Fail map[string]error
}

func (b *Inboxes) Send(_ context.Context, node string, ns ...tenants.InboxMessage) error {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	if err := b.Fail[node]; err != nil {
		return err
	}
	if b.Sent == nil {
		b.Sent = make(map[string][]tenants.InboxMessage)
	}
	b.Sent[node] = append(b.Sent[node], ns...)
	return nil
}

// Got returns the data that the node was sent, a text for each notice.
func (b *Inboxes) Got(node string) (notices []string) {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	for _, n := range b.Sent[node] {
		notices = append(notices, n.Channel+": "+strings.Join(DataOf(n.Events), " "))
	}
	return notices
}

type AppenderRig struct {
	*intake.Appender
	Table    *tenantstest.Table
	Queue    *tenantstest.Queue
	Log      *eventlog.Log
	Interest *node.Interest
	Inboxes  *Inboxes
}

func (r AppenderRig) Register(t *testing.T, node, channel string) {
	t.Helper()
	if err := r.Interest.Register(context.Background(), node, time.Now().Add(time.Hour), LogTenant, channel, 0); err != nil {
		t.Fatal(err)
	}
}

// Message is an event as it is enqueued.
func Message(channel string, e tenants.Event) tenants.Message {
	e.Tenant, e.Channel = LogTenant, channel
	return tenants.Message{Group: "group-of-" + channel, Body: tenants.EncodeEvent(e)}
}

func Received(channel string, events ...tenants.Event) (rs []tenants.Received) {
	for _, e := range events {
		rs = append(rs, tenants.Received{Message: Message(channel, e), Receives: 1})
	}
	return rs
}
