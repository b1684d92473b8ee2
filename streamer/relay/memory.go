package relay

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
)

// Log and Interest are the hub's ports: see hub.Options.
type (
	Log interface {
		Read(
			ctx context.Context, tenant tenants.TenantID, channel string, after int64, limit int, r tenants.Retention,
		) (eventlog.Page, error)
		Tail(ctx context.Context, tenant tenants.TenantID, channel string) (int64, error)
	}
	Interest interface {
		Register(
			ctx context.Context, node string, expires time.Time, tenant tenants.TenantID, channel string,
			subscribers int,
		) error
		Drop(ctx context.Context, node string, tenant tenants.TenantID, channel string) error
	}
)

// Memory holds the channels that exist on this node only and passes all others on to the log. It is a hub's Log and
// its Interest.
type Memory struct {
	log      Log
	interest Interest

	mu      sync.Mutex
	buffers map[channelKey]*channelBuffer
}

type channelKey struct {
	tenant  tenants.TenantID
	channel string
}

// channelBuffer holds the events of a channel that its listener does not have yet, and a few more.
type channelBuffer struct {
	events []tenants.Event
	bytes  int
	tail   int64
}

// NewMemory returns a Memory in front of l and in.
func NewMemory(l Log, in Interest) *Memory {
	return &Memory{log: l, interest: in, buffers: make(map[channelKey]*channelBuffer)}
}

// Bounds of a channel's buffer, above which the upstream has to wait. They are below the backlog at which the hub
// cuts a listener.
const (
	bufferBytes  = 512 << 10
	bufferEvents = 4096
)

const memoryMark = ".run."

// Read implements hub.Log.
func (m *Memory) Read(
	ctx context.Context, tenant tenants.TenantID, channel string, after int64, limit int, r tenants.Retention,
) (eventlog.Page, error) {
	if !inMemory(channel) {
		return m.log.Read(ctx, tenant, channel, after, limit, r)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.buffers[channelKey{tenant, channel}]
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

// Tail implements hub.Log.
func (m *Memory) Tail(ctx context.Context, tenant tenants.TenantID, channel string) (int64, error) {
	if !inMemory(channel) {
		return m.log.Tail(ctx, tenant, channel)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.buffers[channelKey{tenant, channel}]; s != nil {
		return s.tail, nil
	}
	return 0, nil
}

// Register implements hub.Interest.
func (m *Memory) Register(
	ctx context.Context, node string, expires time.Time, tenant tenants.TenantID, channel string, subscribers int,
) error {
	if inMemory(channel) {
		return nil
	}
	return m.interest.Register(ctx, node, expires, tenant, channel, subscribers)
}

// Drop implements hub.Interest.
func (m *Memory) Drop(ctx context.Context, node string, tenant tenants.TenantID, channel string) error {
	if inMemory(channel) {
		return nil
	}
	return m.interest.Drop(ctx, node, tenant, channel)
}

// begin creates a channel.
func (m *Memory) begin(k channelKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.buffers[k] = new(channelBuffer)
}

// end removes a channel.
func (m *Memory) end(k channelKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.buffers, k)
}

// add numbers an event and keeps it. It returns false if the channel is gone.
func (m *Memory) add(k channelKey, e *tenants.Event) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.buffers[k]
	if s == nil {
		return false
	}
	s.tail++
	e.Seq = s.tail
	s.events = append(s.events, *e)
	s.bytes += len(e.Data)
	return true
}

// room drops the events that the listener has, which are those up to the number seen, and reports whether the channel
// may take more.
func (m *Memory) room(k channelKey, seen int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.buffers[k]
	if s == nil {
		return true // add will return false
	}
	drop := 0
	for drop < len(s.events) && s.events[drop].Seq <= seen {
		s.bytes -= len(s.events[drop].Data)
		drop++
	}
	clear(s.events[:drop])
	s.events = s.events[drop:]
	return s.bytes < bufferBytes && len(s.events) < bufferEvents
}
