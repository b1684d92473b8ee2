package main

import (
	"fmt"
	"sort"
	"time"
)

// said is what a webhook of the storm says: who it is and to whom it goes. No two say the same.
type said struct {
	Tenant, Channel, Sender string
	N                       int    // 1, 2, 3, … of its sender, who waits for each to be acknowledged
	Pad                     string `json:",omitempty"`
}

// channel is the channel's name over all tenants.
func (s said) channel() string { return s.Tenant + "/" + s.Channel }

func (s said) String() string { return fmt.Sprintf("%s/%s %s %d", s.Tenant, s.Channel, s.Sender, s.N) }

// acked is an event that was acknowledged.
type acked struct {
	said
	id string
	at time.Time
}

// logged is an event as the API lists it.
type logged struct {
	said
	id  string
	seq int64
}

// receipt is an event as a subscriber got it.
type receipt struct {
	said
	seq int64
	at  time.Time
	// since is when the subscriber began to want its connection: it came anew, by its own will. A connection that was lost counts on.
	since time.Time
}

// line is what one subscriber got of one channel, over all its connections, from the channel's first event on.
type line struct {
	subscriber, channel string
	receipts            []receipt
}

// evidence is all that is known of a storm when it is over.
type evidence struct {
	acks     []acked
	logs     map[string][]logged  // by channel
	appended map[string]time.Time // by event id: when its row came to be
	lines    []line
	told     []string // what subscribers were told that they should not have been, and senders
	within   time.Duration
}

// wrong lists what is not as it is promised. slowest is the arrival that was the longest after its append, behind the one
// that was the longest after its acknowledgement.
func (r evidence) wrong() (faults []string, slowest, behind arrival) {
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	faults = append(faults, r.told...)
	ackedAt := make(map[string]time.Time)
	known := make(map[said]logged)
	for channel, log := range r.logs {
		before := make(map[string]int)
		for i, e := range log {
			switch other, repeated := known[e.said]; {
			case e.seq != int64(i+1):
				say("%s has number %d in place %d", channel, e.seq, i+1)
			case repeated:
				say("%s: %v is there as %d and as %d", channel, e.said, other.seq, e.seq)
			case e.channel() != channel:
				say("%s has %v", channel, e.said)
			case e.N <= before[e.Sender]:
				say("%s: number %d of %s is behind its number %d", channel, e.N, e.Sender, before[e.Sender])
			}
			known[e.said], before[e.Sender] = e, e.N
		}
	}
	for _, a := range r.acks {
		ackedAt[a.id] = a.at
		if e, ok := known[a.said]; !ok || e.id != a.id {
			say("%s: %v was acknowledged as %s, and the log has %q", a.channel(), a.said, a.id, e.id)
		}
	}
	for _, l := range r.lines {
		log, next := r.logs[l.channel], int64(1)
		for _, got := range l.receipts {
			if got.seq != next {
				say("%s got number %d of %s where %d was due", l.subscriber, got.seq, l.channel, next)
			}
			next = got.seq + 1
			if got.seq < 1 || got.seq > int64(len(log)) || log[got.seq-1].said != got.said {
				say("%s got %v as number %d of %s", l.subscriber, got.said, got.seq, l.channel)
				continue
			}
			e := log[got.seq-1]
			rowAt, ok := r.appended[e.id]
			if !ok {
				say("%s: nobody heard of the row of number %d", l.channel, got.seq)
				continue
			}
			a := arrival{l, got, rowAt, ackedAt[e.id]}
			if a.late() > slowest.late() {
				slowest = a
			}
			if a.behind() > behind.behind() {
				behind = a
			}
			if a.late() > r.within {
				say("too late: %v", a)
			}
		}
		if next != int64(len(log)+1) {
			say("%s got %s up to number %d of %d", l.subscriber, l.channel, next-1, len(log))
		}
	}
	sort.Strings(faults)
	return faults, slowest, behind
}

// arrival is an event at a subscriber's.
type arrival struct {
	line
	receipt
	appended, acked time.Time
}

// late is how long it took from the append, or from the moment in which the subscriber wanted it, where that was later.
func (a arrival) late() time.Duration { return a.at.Sub(later(a.appended, a.since)) }

// behind is how long it took from the acknowledgement, likewise.
func (a arrival) behind() time.Duration { return a.at.Sub(later(a.acked, a.since)) }

func (a arrival) String() string {
	return fmt.Sprintf("%s got number %d of %s %v after its append: acknowledged %s, appended %s, connection wanted since %s, arrived %s", a.subscriber, a.seq, a.line.channel,
		a.late().Round(time.Millisecond), clock(a.acked), clock(a.appended), clock(a.since), clock(a.at))
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
