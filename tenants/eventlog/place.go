package eventlog

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// placeTries bounds the slow way. A refused try means that another writer got further, and a channel has one writer
// except for the moments in which its messages pass from one process to another.
const placeTries = 64

// placeEach appends the slow way, one event after the other.
func (l *Log) placeEach(ctx context.Context, ch tenants.ChannelKey, run []tenants.Event) ([]tenants.Event, error) {
	placed := make([]tenants.Event, 0, len(run))
	var last int64
	for _, e := range run {
		e, err := l.place(ctx, ch, e)
		if err != nil {
			return l.salvage(ctx, ch, placed, err)
		}
		placed = append(placed, e)
		last = max(last, e.Seq)
	}
	if err := l.ensureHead(ctx, ch, last); err != nil {
		return nil, err
	}
	return placed, nil
}

// place appends e, whatever was tried with it before. It reads the tail, then e's claim, then the row that the claim
// names, in this order. If the row is e's, it is done. Otherwise one write moves the claim (at the version read) to
// the number after the tail and puts the row there (if there is none).
//
// Why e cannot get two numbers: two writers on this way are fenced by the claim's version. A writer on the fast way
// puts e, unfenced, at the number s of e's first claim and nowhere else. Can it still do so after the write here has
// put e at t?
//   - s < t: the tail was at or after s before the row at s was read. So that row was there, and was not e's. A used
//     number stays used: the put at s is refused.
//   - s = t: the second of the two puts is refused.
//   - s > t: the fast way puts t before s, in one WriteEach that stops when it is refused. If it put t before the write
//     here, that write was refused; if after, its own put at t is refused and s is never reached.
//
// Why there is no hole: t is the number after a tail that was read, here and, for the first event of a run, on the
// fast way.
func (l *Log) place(ctx context.Context, ch tenants.ChannelKey, e tenants.Event) (tenants.Event, error) {
	t, err := l.tail(ctx, ch)
	if err != nil {
		return e, err
	}
	for range placeTries {
		if t.seq, err = l.seek(ctx, ch, t.seq); err != nil {
			return e, err
		}
		c, err := l.claimOf(ctx, ch.Tenant, e.ID)
		if err != nil && !tenants.IsNotFound(err) {
			return e, err
		}
		now := time.Now()
		e.Seq = t.seq + 1
		move := claimOp(e, now)
		if err == nil {
			if stray(e, c) {
				e = derived(e, c)
				continue
			}
			stored, err := l.At(ctx, ch, c.Seq)
			if err == nil && stored.ID == e.ID {
				return stored, nil
			}
			if err != nil && !tenants.IsNotFound(err) {
				return e, err
			}
			move.If = tenants.At(c.version)
		}
		put := tenants.Put(logRow(ch, e.Seq), tenants.EncodeEvent(e), expiry(e, now), tenants.Absent())
		err = l.Table.Write(ctx, move, put)
		if err == nil {
			t.seq = e.Seq
			l.tails.put(ch, t)
			return e, nil
		}
		if !tenants.IsRefused(err) {
			return e, err
		}
	}
	return e, contended(record.ErrContended)
}

// At returns the event at the number seq, whatever the retention is. If there is none: kind NotFound.
func (l *Log) At(ctx context.Context, ch tenants.ChannelKey, seq int64) (tenants.Event, error) {
	row, err := l.Table.Get(ctx, logRow(ch, seq))
	if err != nil {
		return tenants.Event{}, err
	}
	return tenants.DecodeEvent(row.Body)
}
