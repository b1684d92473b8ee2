package intake

import (
	"cmp"
	"slices"

	"github.com/hookcast/hookcast/tenants"
)

const (
	// inboxMessageBytes bounds a message of several events. Inboxes are queues whose messages may have 256 KB or more.
	inboxMessageBytes = 200 << 10

	// eventHeadBytes is more than an event takes in an inbox message besides its strings and its data.
	eventHeadBytes = 512
)

// inboxMessages cuts events of one channel into messages. Each holds events with consecutive numbers, and each number
// is in one message.
func inboxMessages(ch tenants.ChannelKey, events []tenants.Event) (messages []tenants.InboxMessage) {
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b tenants.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	events = slices.CompactFunc(events, func(a, b tenants.Event) bool { return a.Seq == b.Seq })
	add := func(part []tenants.Event) {
		messages = append(messages, tenants.InboxMessage{Tenant: ch.Tenant, Channel: ch.Name, Events: part})
	}
	first, size := 0, 0
	for i, e := range events {
		more := eventHeadBytes + len(e.Data) + len(e.Type) + len(e.ContentType) + len(e.Channel)
		if e.Provenance != nil {
			more += len(e.Provenance.DeliveryID) + e.Provenance.HeaderBytes()
		}
		if i > first && (size+more > inboxMessageBytes || e.Seq != events[i-1].Seq+1) {
			add(events[first:i:i])
			first, size = i, 0
		}
		size += more
	}
	if len(events) > 0 {
		add(events[first:])
	}
	return messages
}
