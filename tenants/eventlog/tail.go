package eventlog

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// tailTrust is how long a tail in memory is used. It is measured by wall clock: a process may be frozen for any time
// between two instructions (a Lambda environment is, between two calls), and its monotonic clock with it.
const tailTrust = 60 * time.Second

// seekPage is how many rows after the head are read at a time. They are few: the head is written with every batch.
const seekPage = 64

// EventKind returns the kind of the rows of the channel's events.
func EventKind(ch tenants.ChannelKey) tenants.Kind { return tenants.Kind("log/" + ch.Name) }

func logRow(ch tenants.ChannelKey, seq int64) tenants.Key {
	return tenants.Key{Tenant: ch.Tenant, Kind: EventKind(ch), Sort: seqSort(seq)}
}

// rowsAfter returns the range of the next limit rows after the number seq.
func rowsAfter(ch tenants.ChannelKey, seq int64, limit int) tenants.Range {
	return tenants.Range{Tenant: ch.Tenant, Kind: EventKind(ch), After: seqSort(seq), Limit: limit}
}

// HeadKey returns the key of the channel's head.
func HeadKey(ch tenants.ChannelKey) tenants.Key {
	return tenants.Key{Tenant: ch.Tenant, Kind: "head", Sort: ch.Name}
}

// seqSort returns a number as a text whose lexicographic order is the order of numbers.
func seqSort(seq int64) string { return fmt.Sprintf("%019d", seq) }

// head is a number that the channel has reached. It only grows.
type head struct{ Seq int64 }

// tail is what a Log knows of a channel's end. Every number up to seq is used; the table may have more.
type tail struct {
	seq     int64
	headSeq int64
	headWas tenants.Condition // under which the head is at headSeq
	listed  bool              // the channel has its record
	read    time.Time
}

// headOp returns the write that moves the head to seq.
func (t tail) headOp(ch tenants.ChannelKey, seq int64) tenants.Op {
	return tenants.Put(HeadKey(ch), record.Encode(head{Seq: seq}), time.Time{}, t.headWas)
}

// advanceHead updates t after headOp has succeeded.
func (t *tail) advanceHead(seq int64) {
	v, _ := t.headWas.Version()
	t.headSeq, t.headWas = seq, tenants.At(v+1)
}

// Tail returns the channel's last number, 0 if it has no events.
func (l *Log) Tail(ctx context.Context, tenant tenants.TenantID, channel string) (int64, error) {
	ch := tenants.ChannelKey{Tenant: tenant, Name: channel}
	t, err := l.readHead(ctx, ch)
	if err != nil {
		return 0, err
	}
	return l.seek(ctx, ch, t.headSeq)
}

// tail returns the channel's tail, from memory for up to tailTrust, or else from the table.
func (l *Log) tail(ctx context.Context, ch tenants.ChannelKey) (tail, error) {
	now := time.Now().Round(0) // wall clock alone
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
	h, was, err := record.Find[head](ctx, l.Table, HeadKey(ch))
	return tail{headSeq: h.Seq, headWas: was}, err
}

// seek returns the last number, beginning to search at seq, which must be used. It sees every row that was there when
// it began, and may miss rows that are written meanwhile.
func (l *Log) seek(ctx context.Context, ch tenants.ChannelKey, seq int64) (int64, error) {
	for {
		rows, err := l.Table.Query(ctx, rowsAfter(ch, seq, seekPage))
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

// ensureHead makes sure that the head is at seq or after it, and that the channel has its record.
func (l *Log) ensureHead(ctx context.Context, ch tenants.ChannelKey, seq int64) error {
	var t tail
	err := record.Update(ctx, l.Table, HeadKey(ch), func(now head, was tenants.Condition) ([]tenants.Op, error) {
		if t = (tail{headSeq: now.Seq, headWas: was}); now.Seq >= seq {
			return nil, nil
		}
		op := t.headOp(ch, seq)
		t.advanceHead(seq)
		return []tenants.Op{op}, nil
	})
	if err != nil {
		return contended(err)
	}
	if err := l.Table.Write(ctx, newChannelOp(ch, time.Now())); err != nil && !tenants.IsRefused(err) {
		return err
	}
	l.tails.setHead(ch, t)
	return nil
}

// rowSeq reads the number of a log row from its key.
func rowSeq(row tenants.Row) (int64, error) {
	seq, err := strconv.ParseInt(row.Sort, 10, 64)
	if err != nil {
		return 0, tenants.Errorf(tenants.Internal, "record_undecodable", "%w", err)
	}
	return seq, nil
}
