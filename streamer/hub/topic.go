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

	// The mailbox: anyone posts.
	mu        sync.Mutex
	box       []op
	boxBytes  int64
	missed    bool // notices were dropped because the box was full
	scheduled bool
	dead      bool // removed from the hub: posting fails

	// Everything below belongs to the worker that runs the topic.
	spare []op // the box before, to be used again
	subs  []*sub
	dirty fifo[*sub] // to be brought forward one by one
	fanAt int        // the fan-out goes on here; at the end where none is under way
	again bool       // and then from the start once more

	state      topicState
	maybeThere bool          // the interest row may exist
	writing    bool          // an interest row is being written
	named      string        // the node's name in the row that was written last
	told       int           // how many subscribers that row tells of
	telling    bool          // a timer is set for telling of another number
	rewrites   []func(error) // wait for the row that is being written, to have it written again
	renewAt    time.Time     // when the row is to be written again; zero: never
	failures   int           // of opening, in a row
	emptySince int64         // ms; when the last subscriber left

	head    int64  // the last position known: every earlier one is known, too
	stamp   uint64 // changes with each change of ring or pages
	ring    segment
	ended   bool // the event at head is its publisher's last
	shows   bool // the event at head is a snapshot: who comes without a cursor begins with it
	early   []tenants.Event
	sizeOf  int64 // bytes of early
	pages   []*segment
	loads   []*load // reads under way for subscribers that the ring has passed
	waiters []*sub  // waiting for a page
	held    int64   // what of ring and pages is in the hub's account of memory
	forgot  int     // how often what was read before could not be shown any more

	catching  bool  // the log is being read behind head
	catchMore bool  // and is to be read again then
	stalled   int   // catch-ups in a row that brought nothing although something is missing
	checked   int64 // ms; when the log was last asked for what is behind head
	lastEvent int64 // ms

	tallies map[int64]*traceTally // of traced events, by number; nil: there are none

	bytes    atomic.Int64 // of all events that came by while it was live; written by its worker
	audience atomic.Int64 // len(subs), for whoever asks; written by its worker
}

type topicState uint8

const (
	cold     topicState = iota // knows nothing; interest is not relied on
	opening                    // writes interest, then reads the log
	live                       // interest is there, head is known
	dropping                   // removes interest
)

type opKind uint8

const (
	opDeliver opKind = iota
	opSubscribe
	opUnsubscribe
	opPump   // bring one subscriber forward
	opDone   // I/O has ended: call then
	opVisit  // the sweep comes by
	opForget // something about the tenant changed: what is in memory may no longer be shown
)

type op struct {
	kind   opKind
	sub    *sub
	why    cause // with opUnsubscribe
	events []tenants.Event
	then   func(w *worker)
}

// boxBytes is how many bytes of events wait in a mailbox before they are dropped for the log to bring them.
const maxBoxBytes = 8 << 20

// post hands o to the topic; false: the topic is no more.
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

// What a topic does in one turn: so many subscribers of a fan-out, so many one by one.
const (
	fanTurn   = 512
	dirtyTurn = 128
)

// turn does the topic's work for one turn and tells whether there is more.
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
			if !t.again {
				break
			}
			t.fanAt, t.again = 0, false
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
	if len(t.box) > 0 || t.dirty.len() > 0 || t.fanAt < len(t.subs) || t.again && len(t.subs) > 0 {
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
		t.fanAt++ // no fan-out under way: s is no part of one
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
	if s.index < t.fanAt && n >= t.fanAt { // moved over the mark: the fan-out would miss it
		t.soon(moved)
	}
	t.fanAt = min(t.fanAt, n)
	s.index = -1
	if n == 0 {
		t.emptySince = t.hub.now()
		t.subs, t.waiters, t.again = nil, nil, false
	} else if cap(t.subs) > 64 && n < cap(t.subs)/4 {
		t.subs = append(make([]*sub, 0, n*2), t.subs...)
	}
}

// soon has s brought forward in one of the next turns.
func (t *topic) soon(s *sub) {
	if s.index >= 0 && !s.dirty {
		s.dirty = true
		t.dirty.push(s)
	}
}

// fanOut has every subscriber brought forward.
func (t *topic) fanOut() {
	if t.fanAt < len(t.subs) {
		t.again = true
	} else {
		t.fanAt = 0
	}
}

// changed notes that ring, pages or head are not what they were.
func (t *topic) changed() { t.stamp = t.hub.stamps.Add(1) }

// account brings the hub's account of memory up to date.
func (t *topic) account() {
	holds := t.ring.bytes
	for _, p := range t.pages {
		holds += p.bytes
	}
	if holds != t.held {
		t.hub.memory.Add(holds - t.held)
		t.held = holds
	}
}
