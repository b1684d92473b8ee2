package hub

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

type topicKey struct {
	tenant tenants.TenantID
	name   string
}

// topic is a channel on this node.
type topic struct {
	hub   *Hub
	key   topicKey
	index int // in the hub's list; owned by the hub's mu

	// The mailbox: any goroutine posts.
	mu        sync.Mutex
	box       []op
	boxBytes  int64
	missed    bool // notices were dropped because the box was full
	scheduled bool
	dead      bool // removed from the hub: posting fails

	// The fields below belong to the worker that runs the topic.
	spare    []op // the previous box, to be reused
	subs     []*sub
	dirty    fifo[*sub] // to be brought forward one by one
	fanAt    int        // where the fan-out continues; len(subs) if none is in progress
	fanAgain bool       // another fan-out follows it

	state      topicState
	maybeThere bool          // the interest row may exist
	writing    bool          // an interest row is being written
	named      string        // the node's name in the row that was written last
	told       int           // the number of subscribers in that row
	telling    bool          // a timer is set for writing a new number
	rewrites   []func(error) // wait for the present write, to write the row again
	renewAt    time.Time     // when to write the row again; zero: never
	failures   int           // failed openings in a row
	emptySince int64         // ms; when the last subscriber left

	head      int64  // the last known position; all earlier ones are known
	stamp     uint64 // changes with each change of ring or pages
	ring      segment
	ended     bool // the event at head is its publisher's last
	snapshot  bool // the event at head is a snapshot: a subscriber without a cursor starts with it
	early     []tenants.Event
	earlySize int64 // bytes of early
	pages     []*segment
	loads     []*load // reads in progress for subscribers behind the ring
	waiters   []*sub  // waiting for a page
	accounted int64   // bytes of ring and pages that the hub has counted
	forgets   int     // how often data in memory became invalid

	catching  bool  // the log is being read after head
	catchMore bool  // and must be read again then
	stalled   int   // catch-ups in a row that brought nothing although events are missing
	checked   int64 // ms; when the log was last read after head
	lastEvent int64 // ms

	tallies map[int64]*traceTally // of traced events, by number; nil: none

	bytes    atomic.Int64 // of all events that arrived while live; written by the topic's worker
	audience atomic.Int64 // len(subs), for other goroutines; written by the topic's worker
}

type topicState uint8

const (
	cold     topicState = iota // knows nothing; interest is not relied on
	opening                    // writes interest, then reads the log
	live                       // interest is written, head is known
	dropping                   // removes interest
)

type opKind uint8

const (
	opDeliver opKind = iota
	opSubscribe
	opUnsubscribe
	opPump   // bring one subscriber forward
	opDone   // I/O has ended: call then
	opVisit  // the sweep's visit
	opForget // the tenant changed: data in memory may no longer be shown
)

type op struct {
	kind   opKind
	sub    *sub
	why    cause // with opUnsubscribe
	events []tenants.Event
	then   func(w *worker)
}

// maxBoxBytes bounds the events waiting in a mailbox. More are dropped and read from the log.
const maxBoxBytes = 8 << 20

// post gives o to the topic. It returns false if the topic has been removed.
func (t *topic) post(o op) bool {
	t.mu.Lock()
	if t.dead {
		t.mu.Unlock()
		return false
	}
	if o.kind == opDeliver {
		size := int64(0)
		for i := range o.events {
			size += int64(len(o.events[i].Data)) + entryOverhead
		}
		if t.boxBytes+size > maxBoxBytes && t.boxBytes > 0 {
			t.missed = true
			t.mu.Unlock()
			return true
		}
		t.boxBytes += size
	}
	t.box = append(t.box, o)
	wake := !t.scheduled
	t.scheduled = true
	t.mu.Unlock()
	if wake {
		t.hub.runnable.push(t.key.tenant, t)
	}
	return true
}

// Upper bounds of one turn: subscribers of a fan-out, and subscribers one by one.
const (
	fanTurn   = 512
	dirtyTurn = 128
)

// turn does one turn of the topic's work and reports whether there is more.
func (t *topic) turn(w *worker) bool {
	t.mu.Lock()
	ops, missed := t.box, t.missed
	t.box, t.boxBytes, t.missed = t.spare[:0], 0, false
	t.mu.Unlock()
	for i := range ops {
		t.apply(w, &ops[i])
	}
	clear(ops)
	t.spare = ops[:0]
	if cap(t.spare) > 4096 {
		t.spare = nil
	}
	if missed {
		t.catchMore = true
		if t.state == live {
			t.catchUp()
		}
	}
	for range min(fanTurn, len(t.subs)) {
		if t.fanAt >= len(t.subs) {
			if !t.fanAgain {
				break
			}
			t.fanAt, t.fanAgain = 0, false
		}
		s := t.subs[t.fanAt]
		t.fanAt++
		w.pump(t, s)
	}
	for range min(dirtyTurn, t.dirty.len()) {
		s := t.dirty.pop()
		s.dirty = false
		w.pump(t, s)
	}
	t.account()
	t.audience.Store(int64(len(t.subs)))
	t.tellCount()
	if t.tallies != nil {
		t.traceTurn()
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.box) > 0 || t.dirty.len() > 0 || t.fanAt < len(t.subs) || t.fanAgain && len(t.subs) > 0 {
		return true
	}
	t.scheduled = false
	return false
}

func (t *topic) apply(w *worker, o *op) {
	switch o.kind {
	case opDeliver:
		t.deliver(o.events)
	case opSubscribe:
		t.subscribe(o.sub)
	case opUnsubscribe:
		if t.tallies != nil {
			t.traceCut(o.sub, o.why)
		}
		t.unsubscribe(o.sub)
	case opPump:
		t.soon(o.sub)
	case opDone:
		o.then(w)
	case opVisit:
		t.visit()
	case opForget:
		t.forget()
	}
}

func (t *topic) subscribe(s *sub) {
	s.index = len(t.subs)
	if t.fanAt == len(t.subs) {
		t.fanAt++ // no fan-out in progress: s does not belong to one
	}
	t.subs = append(t.subs, s)
	if s.conn.over() { // it left before it came
		t.unsubscribe(s)
		return
	}
	switch t.state {
	case cold:
		t.open()
	case live:
		t.soon(s)
	}
}

func (t *topic) unsubscribe(s *sub) {
	if s.index < 0 {
		return
	}
	n := len(t.subs) - 1
	moved := t.subs[n]
	t.subs[s.index], moved.index = moved, s.index
	t.subs[n] = nil
	t.subs = t.subs[:n]
	if s.index < t.fanAt && n >= t.fanAt { // moved across the mark: the fan-out would miss it
		t.soon(moved)
	}
	t.fanAt = min(t.fanAt, n)
	s.index = -1
	if n == 0 {
		t.emptySince = t.hub.now()
		t.subs, t.waiters, t.fanAgain = nil, nil, false
	} else if cap(t.subs) > 64 && n < cap(t.subs)/4 {
		t.subs = append(make([]*sub, 0, n*2), t.subs...)
	}
}

// soon brings s forward in one of the next turns.
func (t *topic) soon(s *sub) {
	if s.index >= 0 && !s.dirty {
		s.dirty = true
		t.dirty.push(s)
	}
}

// fanOut brings every subscriber forward.
func (t *topic) fanOut() {
	if t.fanAt < len(t.subs) {
		t.fanAgain = true
	} else {
		t.fanAt = 0
	}
}

// changed notes that ring, pages or head have changed.
func (t *topic) changed() { t.stamp = t.hub.stamps.Add(1) }

// account updates the hub's count of memory.
func (t *topic) account() {
	holds := t.ring.bytes
	for _, p := range t.pages {
		holds += p.bytes
	}
	if holds != t.accounted {
		t.hub.memory.Add(holds - t.accounted)
		t.accounted = holds
	}
}
