package relay

import (
	"maps"
	"sync"

	"github.com/hookcast/hookcast/tenants"
)

// Stats holds the counts of a Relay. It names no tenant.
type Stats struct {
	Upstreams  int              // open, or being opened
	Clients    int              // on this node, of upstreams on any node
	Reconnects int64            // connections that resumed a stream
	Refused    map[string]int64 // failed attempts to connect by code of the error; has every reason
	Events     int64            // forwarded
	Gaps       int64            // reported for upstreams
}

// reasons returns the codes of errors about connecting to an upstream: those of package upstream and this node's own.
func reasons() []string {
	return []string{
		"upstream_blocked", "upstream_encoding", "upstream_limit", "upstream_media_type", "upstream_redirect",
		"upstream_status", "upstream_timeout", "upstream_unreachable",
		"upstreams_full",
	}
}

// counts holds the Stats that only grow.
type counts struct {
	mu                       sync.Mutex
	reconnects, events, gaps int64
	refused                  map[string]int64
}

// begin prepares a count for every reason; other codes are not counted.
func (c *counts) begin() {
	c.refused = make(map[string]int64)
	for _, reason := range reasons() {
		c.refused[reason] = 0
	}
}

// tried counts an attempt to connect.
func (c *counts) tried(again bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch code := tenants.CodeOf(err); {
	case err == nil && again:
		c.reconnects++
	case err != nil:
		if _, known := c.refused[code]; known {
			c.refused[code]++
		}
	}
}

func (c *counts) forwarded(events int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events += int64(events)
}

func (c *counts) gap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gaps++
}

// Stats returns the counts since the Relay was made, and its present state.
func (r *Relay) Stats() Stats {
	r.counts.mu.Lock()
	s := Stats{Reconnects: r.counts.reconnects, Events: r.counts.events, Gaps: r.counts.gaps,
		Refused: maps.Clone(r.counts.refused)}
	r.counts.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Upstreams, s.Clients = r.total, r.alone
	for _, sh := range r.shares {
		s.Clients += sh.seats
	}
	return s
}
