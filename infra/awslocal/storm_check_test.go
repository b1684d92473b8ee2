package main

import (
	"fmt"
	"sort"
	"time"
)

// posted is the payload of a storm's webhook: its sender and its channel. No two are equal.
type posted struct {
	Tenant, Channel, Sender string
	N                       int    // counts up for each sender, which waits for each acknowledgement
	Pad                     string `json:",omitempty"`
}

// channel returns the channel's name with its tenant's.
func (s posted) channel() string { return s.Tenant + "/" + s.Channel }

func (s posted) String() string {
	return fmt.Sprintf("%s/%s %s %d", s.Tenant, s.Channel, s.Sender, s.N)
}

// acked is an acknowledged event.
type acked struct {
	posted
	id string
	at time.Time
}

// logged is an event as the API lists it.
type logged struct {
	posted
	id  string
	seq int64
}

// receipt is an event as a subscriber got it.
type receipt struct {
	posted
	seq int64
	at  time.Time
	// since is when the subscriber began to want its connection. It is reset when the subscriber left on its own, but
	// not when the connection was lost.
	since time.Time
}

// line is everything that one subscriber got of one channel, over all its connections, from the channel's first event
// on.
type line struct {
	subscriber, channel string
	receipts            []receipt
}

// evidence is everything that is known of a storm when it is over.
type evidence struct {
	acks       []acked
	logs       map[string][]logged  // by channel
	appended   map[string]time.Time // by event id: when its row was written
	lines      []line
	violations []string // violations that subscribers and senders saw
	within     time.Duration
}

// check lists the violations. slowest is the receipt with the longest time since its append, and sinceAck the one with
// the longest time since its acknowledgement.
func (r evidence) check() (faults []string, slowest, sinceAck arrival) {
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	faults = append(faults, r.violations...)
	ackedAt := make(map[string]time.Time)
	known := r.checkLogs(say)
	for _, a := range r.acks {
		ackedAt[a.id] = a.at
		if e, ok := known[a.posted]; !ok || e.id != a.id {
			say("%s: %v was acknowledged as %s, but the log has %q", a.channel(), a.posted, a.id, e.id)
		}
	}
	for _, l := range r.lines {
		log, next := r.logs[l.channel], int64(1)
		for _, got := range l.receipts {
			if got.seq != next {
				say("%s got number %d of %s, want %d", l.subscriber, got.seq, l.channel, next)
			}
			next = got.seq + 1
			if got.seq < 1 || got.seq > int64(len(log)) || log[got.seq-1].posted != got.posted {
				say("%s got %v as number %d of %s", l.subscriber, got.posted, got.seq, l.channel)
				continue
			}
			e := log[got.seq-1]
			rowAt, ok := r.appended[e.id]
			if !ok {
				say("%s: nothing is known of the row of number %d", l.channel, got.seq)
				continue
			}
			a := arrival{l, got, rowAt, ackedAt[e.id]}
			if a.late() > slowest.late() {
				slowest = a
			}
			if a.sinceAck() > sinceAck.sinceAck() {
				sinceAck = a
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
	return faults, slowest, sinceAck
}

// checkLogs reports violations in the logs to say, and returns the logged events.
func (r evidence) checkLogs(say func(format string, args ...any)) map[posted]logged {
	known := make(map[posted]logged)
	for channel, log := range r.logs {
		before := make(map[string]int)
		for i, e := range log {
			switch other, repeated := known[e.posted]; {
			case e.seq != int64(i+1):
				say("%s has number %d at position %d", channel, e.seq, i+1)
			case repeated:
				say("%s: %v has the numbers %d and %d", channel, e.posted, other.seq, e.seq)
			case e.channel() != channel:
				say("%s has an event of another channel: %v", channel, e.posted)
			case e.N <= before[e.Sender]:
				say("%s: number %d of %s comes after its number %d", channel, e.N, e.Sender, before[e.Sender])
			}
			known[e.posted], before[e.Sender] = e, e.N
		}
	}
	return known
}

// arrival is the receipt of an event with the times of its other steps.
type arrival struct {
	line
	receipt
	appended, acked time.Time
}

// late returns the time from the append, or from the moment at which the subscriber began to want the event, if that
// was later.
func (a arrival) late() time.Duration { return a.at.Sub(later(a.appended, a.since)) }

// sinceAck returns the time from the acknowledgement, likewise.
func (a arrival) sinceAck() time.Duration { return a.at.Sub(later(a.acked, a.since)) }

func (a arrival) String() string {
	return fmt.Sprintf("%s got number %d of %s %v after its append: acknowledged %s, appended %s, connection wanted "+
		"since %s, arrived %s", a.subscriber, a.seq, a.line.channel,
		a.late().Round(time.Millisecond), clock(a.acked), clock(a.appended), clock(a.since), clock(a.at))
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
