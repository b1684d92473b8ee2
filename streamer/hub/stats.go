package hub

import (
	"sync/atomic"

	"github.com/hookcast/hookcast/tenants"
)

// cause says why a connection ended.
type cause int

const (
	causeLeft      cause = iota // the client closed, or the connection broke
	causeAbandoned              // never attached
	causeEnded                  // its channels have ended
	causeExpired                // the credential expired
	causeDenied                 // lost its right
	causeDrained
	causeClosed    // by its owner, or with the hub
	causePolled    // a long poll was answered
	causeStalled   // cut: its oldest unsent byte was too old
	causeBacklog   // cut: it was too far behind
	causeViolation // cut: its client sent something forbidden
	causeShed      // lost its slot
	causeSilent    // cut: its client answered no ping
	causes
)

func (c cause) String() string {
	return [causes]string{"left", "abandoned", "ended", "expired", "denied", "drained", "closed", "polled", "stalled",
		"backlog", "rude", "shed", "silent"}[c]
}

type counters struct {
	repeats, recovered, gaps atomic.Int64
	replayReads, troubles    atomic.Int64
	ended                    [causes]atomic.Int64
}

// Stats is what the hub has counted since its start, and its present state.
type Stats struct {
	Classes     []ClassStats // in the order of their first connection
	Connections int64        // now, over all classes; likewise Accepted, Writes, Deliveries and Bytes
	Channels    int64        // now, including those that linger
	Memory      int64        // bytes of recent events and pages, now
	Accepted    int64        // connections
	// Ended counts connections by cause: left, abandoned, ended, expired, denied, drained, closed, polled, and those
	// that were cut: stalled, backlog, rude, shed, silent.
	Ended       map[string]int64
	Writes      int64 // of events; one write may carry several events
	Deliveries  int64 // events written to, or begun for, a connection
	Bytes       int64 // of events; for a poll, of their payloads
	Repeats     int64 // repeated events that were dropped
	Recovered   int64 // events that came from the log because no notice brought them in time
	Gaps        int64 // reported to connections and topics
	ReplayReads int64 // of the log, for subscribers that are behind
	Troubles    int64 // failed reads and writes that were retried
}

// Stats returns the counts. Each is exact; together they are not of one instant.
func (h *Hub) Stats() Stats {
	s := &h.stats
	ended := make(map[string]int64, causes)
	for c := range causes {
		ended[c.String()] = s.ended[c].Load()
	}
	h.mu.Lock()
	channels := len(h.topics)
	h.mu.Unlock()
	all := Stats{
		Classes: h.classStats(), Channels: int64(channels), Memory: h.memory.Load(), Ended: ended,
		Repeats: s.repeats.Load(), Recovered: s.recovered.Load(), Gaps: s.gaps.Load(),
		ReplayReads: s.replayReads.Load(), Troubles: s.troubles.Load(),
	}
	for i := range all.Classes {
		c := &all.Classes[i]
		all.Connections += c.Connections
		all.Accepted += c.Accepted
		all.Writes += c.Writes
		all.Deliveries += c.Deliveries
		all.Bytes += c.Bytes
	}
	return all
}

// Subscribers counts the connections, including long polls, that listen to the tenant's channel on this node.
func (h *Hub) Subscribers(t tenants.TenantID, channel string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if topic := h.topics[topicKey{t, channel}]; topic != nil {
		return int(topic.audience.Load())
	}
	return 0
}

// Connections describes the tenant's live connections.
func (h *Hub) Connections(t tenants.TenantID) []Connection {
	var list []Connection
	for _, c := range h.slots.all() {
		if d, ok := c.describe(t); ok {
			list = append(list, d)
		}
	}
	return list
}

func (c *Conn) describe(t tenants.TenantID) (Connection, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != serving || c.subs[0].topic.key.tenant != t {
		return Connection{}, false
	}
	d := Connection{
		ID: c.id, Channels: c.channels(), Principal: c.principal, Transport: c.transport, Remote: c.remote,
		Since: c.opened, Sent: c.sent,
	}
	if c.unknown == 0 {
		d.Cursor = c.cursor()
	}
	d.Backlog = c.backlog()
	return d, true
}
