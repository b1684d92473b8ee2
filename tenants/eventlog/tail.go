package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// tailTrust is how long a tail in memory is believed. It is measured by wall clock: a process may be frozen for any time
// between two instructions (a Lambda environment is, between two calls), and its monotonic clock with it.
const tailTrust = 60 * time.Second

// seekPage is how many rows past the head are read at a time. They are few: the head is written with every batch.
const seekPage = 64

func EventKind(ch tenants.ChannelKey) tenants.Kind { return tenants.Kind("log/" + ch.Name) }

func logRow(ch tenants.ChannelKey, seq int64) tenants.Key {
	return tenants.Key{Tenant: ch.Tenant, Kind: EventKind(ch), Sort: seqSort(seq)}
}

func HeadKey(ch tenants.ChannelKey) tenants.Key {
	return tenants.Key{Tenant: ch.Tenant, Kind: "head", Sort: ch.Name}
}

// seqSort writes a number so that the order of texts is the order of numbers.
func seqSort(seq int64) string { return fmt.Sprintf("%019d", seq) }

// head is the row head/{channel}: a number that the channel has reached. It only ever grows, and never expires.
type head struct{ Seq int64 }

// tail is what a Log knows of the end of a channel. Every number up to seq is taken; the table may know more.
type tail struct {
	seq         int64
	headSeq     int64
	headVersion int64 // 0: there is no head row
	listed      bool  // the channel's record exists
	read        time.Time
}

// headOp returns the write that moves the head to seq.
func (t tail) headOp(ch tenants.ChannelKey, seq int64) tenants.Op {
	c := tenants.Absent()
	if t.headVersion > 0 {
		c = tenants.At(t.headVersion)
	}
	return tenants.Put(HeadKey(ch), record.Encode(head{Seq: seq}), time.Time{}, c)
}

// advanceHead notes that headOp has succeeded.
func (t *tail) advanceHead(seq int64) {
	t.headSeq = seq
	t.headVersion++
}

// Tail returns the channel's last number, 0 for a channel that has none.
func (l *Log) Tail(ctx context.Context, tenant tenants.TenantID, channel string) (int64, error) {
	ch := tenants.ChannelKey{Tenant: tenant, Name: channel}
	t, err := l.readHead(ctx, ch)
	if err != nil {
		return 0, err
	}
	return l.seek(ctx, ch, t.headSeq)
}

// tail returns the end of the channel from memory while it may be trusted, or else from the table.
func (l *Log) tail(ctx context.Context, ch tenants.ChannelKey) (tail, error) {
	now := wallNow()
	if t, ok := l.tails.get(ch); ok && !now.Before(t.read) && now.Sub(t.read) < tailTrust {
		return t, nil
	}
	t, err := l.readHead(ctx, ch)
	if err != nil {
		return t, err
	}
	if t.seq, err = l.seek(ctx, ch, t.headSeq); err != nil {
		return t, err
	}
	switch _, err = l.Table.Get(ctx, RecordKey(ch)); {
	case err == nil:
		t.listed = true
	case !tenants.IsNotFound(err):
		return t, err
	}
	t.read = now
	l.tails.put(ch, t)
	return t, nil
}

func (l *Log) readHead(ctx context.Context, ch tenants.ChannelKey) (tail, error) {
	row, err := l.Table.Get(ctx, HeadKey(ch))
	if tenants.IsNotFound(err) {
		return tail{}, nil
	}
	if err != nil {
		return tail{}, err
	}
	h, err := record.Decode[head](row)
	return tail{headSeq: h.Seq, headVersion: row.Version}, err
}

// seek returns the last number at or behind seq. Where the query is torn it may fall short of rows that were committed
// meanwhile, never of one that was there when it began.
func (l *Log) seek(ctx context.Context, ch tenants.ChannelKey, seq int64) (int64, error) {
	for {
		rows, err := l.Table.Query(ctx, tenants.Range{Tenant: ch.Tenant, Kind: EventKind(ch), After: seqSort(seq), Limit: seekPage})
		if err != nil {
			return seq, err
		}
		if len(rows) > 0 {
			if seq, err = rowSeq(rows[len(rows)-1]); err != nil {
				return seq, err
			}
		}
		if len(rows) < seekPage {
			return seq, nil
		}
	}
}

// ensureHead makes sure that the head is at seq or past it, and that the channel's record exists.
func (l *Log) ensureHead(ctx context.Context, ch tenants.ChannelKey, seq int64) error {
	for range placeTries {
		t, err := l.readHead(ctx, ch)
		if err != nil {
			return err
		}
		if t.headSeq < seq {
			if err := l.Table.Write(ctx, t.headOp(ch, seq)); tenants.IsRefused(err) {
				continue
			} else if err != nil {
				return err
			}
			t.advanceHead(seq)
		}
		if err := l.Table.Write(ctx, newChannelOp(ch, time.Now())); err != nil && !tenants.IsRefused(err) {
			return err
		}
		l.tails.setHead(ch, t)
		return nil
	}
	return tenants.Errorf(tenants.Unavailable, "channel_contended", "the channel's head is written to from too many sides at once")
}

// wallNow is the time without its monotonic part.
func wallNow() time.Time { return time.Now().Round(0) }
