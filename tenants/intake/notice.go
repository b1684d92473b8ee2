package intake

import (
	"slices"

	"github.com/hookcast/hookcast/tenants"
)

// noticeBytes is what a notice stays below, unless one event alone is larger: inboxes are queues, with messages of 256 KB at
// the least.
const noticeBytes = 200 << 10

// eventHeadBytes is more than an event takes in a notice besides its strings and its data.
const eventHeadBytes = 512

// noticesOf cuts events of one channel into notices: consecutive numbers, in order, each number once, none too large.
func noticesOf(ch tenants.ChannelKey, events []tenants.Event) []tenants.InboxMessage {
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b tenants.Event) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
	events = slices.CompactFunc(events, func(a, b tenants.Event) bool { return a.Seq == b.Seq })
	var notices []tenants.InboxMessage
	first, size := 0, 0
	for i, e := range events {
		more := eventHeadBytes + len(e.Data) + len(e.Type) + len(e.ContentType) + len(e.Channel)
		if e.Provenance != nil {
			more += len(e.Provenance.DeliveryID) + e.Provenance.HeaderBytes()
		}
		if i > first && (size+more > noticeBytes || e.Seq != events[i-1].Seq+1) {
			notices = append(notices, tenants.InboxMessage{Tenant: ch.Tenant, Channel: ch.Name, Events: events[first:i:i]})
			first, size = i, 0
		}
		size += more
	}
	if len(events) > 0 {
		notices = append(notices, tenants.InboxMessage{Tenant: ch.Tenant, Channel: ch.Name, Events: events[first:]})
	}
	return notices
}
