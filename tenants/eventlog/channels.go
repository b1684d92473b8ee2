package eventlog

import (
	"context"
	"errors"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Channel is the record of a channel, made when its first event is appended.
type Channel struct {
	Name     string
	Created  time.Time
	PurgedTo int64 // the last purged number: up to here events are below the floor, whatever the retention is
	EmptyTo  int64 // up to here the payloads of purged events have been removed from the table
}

// RecordKind is the kind of the rows of Channel records.
const RecordKind tenants.Kind = "list/channels"

// RecordKey returns the key of the channel's record.
func RecordKey(ch tenants.ChannelKey) tenants.Key {
	return tenants.Key{Tenant: ch.Tenant, Kind: RecordKind, Sort: ch.Name}
}

func newChannelOp(ch tenants.ChannelKey, now time.Time) tenants.Op {
	c := Channel{Name: ch.Name, Created: now.UTC()}
	return tenants.Put(RecordKey(ch), record.Encode(c), time.Time{}, tenants.Absent())
}

// Channel returns the channel's record. A channel to which nothing was appended: kind NotFound, code channel_not_found.
func (l *Log) Channel(ctx context.Context, tenant tenants.TenantID, channel string) (Channel, error) {
	k := RecordKey(tenants.ChannelKey{Tenant: tenant, Name: channel})
	return record.Read[Channel](ctx, l.Table, k, "channel_not_found", "there is no such channel")
}

// Channels returns up to limit (1 to 1,000) of the tenant's channels in order of name, beginning after the name after
// ("" for the first). Fewer than limit means that there are no more.
func (l *Log) Channels(ctx context.Context, tenant tenants.TenantID, after string, limit int) ([]Channel, error) {
	channels, _, err := record.List[Channel](ctx, l.Table, tenant, RecordKind, after, min(max(limit, 1), 1000))
	return channels, err
}

// purgePage is how many payloads are read and emptied at a time.
const purgePage = 32

// Purge puts everything in the channel below the floor, at once and for good, and then removes the payloads from the
// table. It returns the last purged number; the sequence continues after it. After Unavailable the floor may have
// been raised and some payloads may be left: another Purge completes the work.
func (l *Log) Purge(ctx context.Context, tenant tenants.TenantID, channel string) (int64, error) {
	ch := tenants.ChannelKey{Tenant: tenant, Name: channel}
	end, err := l.Tail(ctx, tenant, channel)
	if err != nil {
		return 0, err
	}
	c, err := l.changeChannel(ctx, ch, func(c *Channel) { c.PurgedTo = max(c.PurgedTo, end) })
	if err != nil {
		return 0, err
	}
	for emptied := c.EmptyTo; emptied < c.PurgedTo; {
		if emptied, err = l.emptyPage(ctx, ch, emptied, c.PurgedTo); err != nil {
			return c.PurgedTo, err
		}
		if _, err = l.changeChannel(ctx, ch, func(c *Channel) { c.EmptyTo = max(c.EmptyTo, emptied) }); err != nil {
			return c.PurgedTo, err
		}
	}
	return c.PurgedTo, nil
}

// emptyPage removes payloads of numbers after the number after, up to through, and returns the last number that is
// done.
func (l *Log) emptyPage(ctx context.Context, ch tenants.ChannelKey, after, through int64) (int64, error) {
	rows, err := l.Table.Query(ctx, tenants.Range{
		Tenant: ch.Tenant, Kind: EventKind(ch), After: seqSort(after), Before: seqSort(through + 1), Limit: purgePage,
	})
	if err != nil {
		return after, err
	}
	var ops []tenants.Op
	for _, row := range rows {
		e, err := tenants.DecodeEvent(row.Body)
		if err != nil {
			return after, err
		}
		if len(e.Data) > 0 {
			e.Data = nil
			ops = append(ops, tenants.Put(row.Key, tenants.EncodeEvent(e), row.Expires, tenants.At(row.Version)))
		}
	}
	if len(ops) > 0 {
		// Refused: another Purge has emptied the row, or it has just expired. The next look at the page finds less to
		// do.
		if _, err := l.Table.WriteEach(ctx, ops...); tenants.IsRefused(err) {
			return after, nil
		} else if err != nil {
			return after, err
		}
	}
	if len(rows) < purgePage {
		return through, nil
	}
	return rowSeq(rows[len(rows)-1])
}

// changeChannel applies change to the channel's record, with optimistic retries, and returns the record as it then is.
func (l *Log) changeChannel(ctx context.Context, ch tenants.ChannelKey, change func(*Channel)) (c Channel, err error) {
	k := RecordKey(ch)
	err = record.Update(ctx, l.Table, k, func(now Channel, was tenants.Condition) ([]tenants.Op, error) {
		if was.IsAbsent() {
			return nil, tenants.Errorf(tenants.NotFound, "channel_not_found", "there is no such channel")
		}
		c = now
		if change(&c); c == now {
			return nil, nil
		}
		return []tenants.Op{tenants.Put(k, record.Encode(c), time.Time{}, was)}, nil
	})
	return c, contended(err)
}

// contended returns err, but Unavailable channel_contended for record.ErrContended.
func contended(err error) error {
	if errors.Is(err, record.ErrContended) {
		err = tenants.Errorf(tenants.Unavailable, "channel_contended", "the channel has too many writers: try again")
	}
	return err
}
