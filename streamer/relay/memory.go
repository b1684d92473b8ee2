package relay

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
)

// Log and Interest are what a hub reads and writes: see hub.Options.
type (
	Log interface {
		Read(ctx context.Context, tenant tenants.TenantID, channel string, after int64, limit int, r tenants.Retention) (eventlog.Page, error)
		Tail(ctx context.Context, tenant tenants.TenantID, channel string) (int64, error)
	}
	Interest interface {
		Register(ctx context.Context, node string, expires time.Time, tenant tenants.TenantID, channel string, subscribers int) error
		Drop(ctx context.Context, node string, tenant tenants.TenantID, channel string) error
	}
)

// Memory holds the channels that are this node's alone and passes everything else on to the log. It is a hub's Log and its Interest.
type Memory struct {
	log      Log
	interest Interest

	mu      sync.Mutex
	scrolls map[scrollKey]*scroll
}

type scrollKey struct {
	tenant  tenants.TenantID
	channel string
}

// scroll is what is kept of a channel: the events that its listener does not have yet, and a few more.
type scroll struct {
	events []tenants.Event
	bytes  int
	tail   int64
}

// NewMemory makes a Memory in front of l and in.
func NewMemory(l Log, in Interest) *Memory {
	return &Memory{log: l, interest: in, scrolls: make(map[scrollKey]*scroll)}
}

// What a channel keeps before whoever brings more has to wait: less than what the hub cuts a listener for.
const (
	scrollBytes  = 512 << 10
	scrollEvents = 4096
)

const memoryMark = ".run."

// Read fulfils hub.Log.
func (m *Memory) Read(ctx context.Context, tenant tenants.TenantID, channel string, after int64, limit int, r tenants.Retention) (eventlog.Page, error) {
	if !inMemory(channel) {
		return m.log.Read(ctx, tenant, channel, after, limit, r)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.scrolls[scrollKey{tenant, channel}]
	if s == nil {
		return eventlog.Page{Tail: after}, nil
	}
	page := eventlog.Page{Tail: s.tail}
	if first := s.tail - int64(len(s.events)); after < first {
		page.Gap = &eventlog.Gap{Channel: channel, From: after + 1, To: first}
		after = first
	}
	rest := s.events[min(int(after-s.tail)+len(s.events), len(s.events)):]
	page.Events = append(page.Events, rest[:min(limit, len(rest))]...)
	page.Ended = len(page.Events) == len(rest) && len(s.events) > 0 && s.events[len(s.events)-1].End
	return page, nil
}

// Tail fulfils hub.Log.
func (m *Memory) Tail(ctx context.Context, tenant tenants.TenantID, channel string) (int64, error) {
	if !inMemory(channel) {
		return m.log.Tail(ctx, tenant, channel)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.scrolls[scrollKey{tenant, channel}]; s != nil {
		return s.tail, nil
	}
	return 0, nil
}

// Register fulfils hub.Interest.
func (m *Memory) Register(ctx context.Context, node string, expires time.Time, tenant tenants.TenantID, channel string, subscribers int) error {
	if inMemory(channel) {
		return nil
	}
	return m.interest.Register(ctx, node, expires, tenant, channel, subscribers)
}

// Drop fulfils hub.Interest.
func (m *Memory) Drop(ctx context.Context, node string, tenant tenants.TenantID, channel string) error {
	if inMemory(channel) {
		return nil
	}
	return m.interest.Drop(ctx, node, tenant, channel)
}

// begin makes a channel.
func (m *Memory) begin(k scrollKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scrolls[k] = new(scroll)
}

// end forgets a channel.
func (m *Memory) end(k scrollKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.scrolls, k)
}

// add numbers an event and keeps it; false: there is no such channel any more.
func (m *Memory) add(k scrollKey, e *tenants.Event) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.scrolls[k]
	if s == nil {
		return false
	}
	s.tail++
	e.Seq = s.tail
	s.events = append(s.events, *e)
	s.bytes += len(e.Data)
	return true
}

// room drops what its listener has, which is everything up to the number seen, and tells whether the channel may take more.
func (m *Memory) room(k scrollKey, seen int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.scrolls[k]
	if s == nil {
		return true // whoever adds to it finds out
	}
	drop := 0
	for drop < len(s.events) && s.events[drop].Seq <= seen {
		s.bytes -= len(s.events[drop].Data)
		drop++
	}
	clear(s.events[:drop])
	s.events = s.events[drop:]
	return s.bytes < scrollBytes && len(s.events) < scrollEvents
}
