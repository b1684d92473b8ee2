package eventlog

import (
	"context"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Channel is the record of a channel, made when its first event is appended.
type Channel struct {
	Name     string
	Created  time.Time
	PurgedTo int64 // events up to here have been purged: below the floor whatever retention says
	EmptyTo  int64 // of the purged events, the payloads up to here are gone from the table
}

func RecordKind() tenants.Kind { return "list/channels" }

func RecordKey(ch tenants.ChannelKey) tenants.Key {
	return tenants.Key{Tenant: ch.Tenant, Kind: RecordKind(), Sort: ch.Name}
}

func newChannelOp(ch tenants.ChannelKey, now time.Time) tenants.Op {
	return tenants.Put(RecordKey(ch), record.Encode(Channel{Name: ch.Name, Created: now.UTC()}), time.Time{}, tenants.Absent())
}

// Channel returns the channel's record; kind NotFound, code channel_not_found, where nothing was ever appended.
func (l *Log) Channel(ctx context.Context, tenant tenants.TenantID, channel string) (Channel, error) {
	return record.Read[Channel](ctx, l.Table, RecordKey(tenants.ChannelKey{Tenant: tenant, Name: channel}), "channel_not_found", "there is no such channel")
}

// Channels returns up to limit (1 to 1,000) of the tenant's channels in order of their names, behind the name after ("" from
// the first). Fewer than limit means that there are no more.
func (l *Log) Channels(ctx context.Context, tenant tenants.TenantID, after string, limit int) ([]Channel, error) {
	channels, _, err := record.List[Channel](ctx, l.Table, tenant, RecordKind(), after, min(max(limit, 1), 1000))
	return channels, err
}

// purgePage is how many payloads are read at a time to be emptied.
const purgePage = 32

// Purge puts everything that is in the channel below the floor, at once and for good, and then empties the payloads in the
// table. It returns the last purged number. The sequence goes on behind it. On Unavailable the floor may have been raised and
// some payloads may be left: another Purge goes on with them.
func (l *Log) Purge(ctx context.Context, tenant tenants.TenantID, channel string) (int64, error) {
	ch := tenants.ChannelKey{Tenant: tenant, Name: channel}
	end, err := l.Tail(ctx, tenant, channel)
	if err != nil {
		return 0, err
	}
	c, err := l.changeChannel(ctx, ch, func(c *Channel) bool {
		raise := c.PurgedTo < end
		c.PurgedTo = max(c.PurgedTo, end)
		return raise
	})
	if err != nil {
		return 0, err
	}
	for emptied := c.EmptyTo; emptied < c.PurgedTo; {
		if emptied, err = l.emptyPage(ctx, ch, emptied, c.PurgedTo); err != nil {
			return c.PurgedTo, err
		}
		if _, err = l.changeChannel(ctx, ch, func(c *Channel) bool {
			further := c.EmptyTo < emptied
			c.EmptyTo = max(c.EmptyTo, emptied)
			return further
		}); err != nil {
			return c.PurgedTo, err
		}
	}
	return c.PurgedTo, nil
}

// emptyPage empties payloads behind the number after, up to and with through, and returns how far it got.
func (l *Log) emptyPage(ctx context.Context, ch tenants.ChannelKey, after, through int64) (int64, error) {
	rows, err := l.Table.Query(ctx, tenants.Range{Tenant: ch.Tenant, Kind: EventKind(ch), After: seqSort(after), Before: seqSort(through + 1), Limit: purgePage})
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
		// Refused: emptied by another Purge, or expired just now. Either way the next look at the page finds less to do.
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

// changeChannel applies change to the channel's record, again if it was changed meanwhile, until change says that there is
// nothing to write. It returns the record as it then is.
func (l *Log) changeChannel(ctx context.Context, ch tenants.ChannelKey, change func(*Channel) bool) (Channel, error) {
	for range placeTries {
		row, err := l.Table.Get(ctx, RecordKey(ch))
		if tenants.IsNotFound(err) {
			return Channel{}, tenants.Errorf(tenants.NotFound, "channel_not_found", "there is no such channel")
		}
		if err != nil {
			return Channel{}, err
		}
		c, err := record.Decode[Channel](row)
		if err != nil {
			return c, err
		}
		if !change(&c) {
			return c, nil
		}
		err = l.Table.Write(ctx, tenants.Put(row.Key, record.Encode(c), time.Time{}, tenants.At(row.Version)))
		if err == nil || !tenants.IsRefused(err) {
			return c, err
		}
	}
	return Channel{}, tenants.Errorf(tenants.Unavailable, "channel_contended", "the channel's record is written to from too many sides at once")
}

// rowSeq reads the number of a log row from its key.
func rowSeq(row tenants.Row) (int64, error) {
	seq, err := strconv.ParseInt(row.Sort, 10, 64)
	if err != nil {
		return 0, tenants.Errorf(tenants.Internal, "record_undecodable", "%w", err)
	}
	return seq, nil
}
