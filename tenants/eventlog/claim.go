package eventlog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// claim says which number of which channel an event has or is to have. The event is in the log if and only if the row
// at that number has its id.
type claim struct {
	Channel  string
	Seq      int64
	BodyHash []byte // SHA-256 of the event's data

	version int64
}

// ClaimKey returns the key of the claim of the event id.
func ClaimKey(tenant tenants.TenantID, id string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: "evt", Sort: id}
}

// claimOp returns the write that claims e.Seq for e, which must have no claim yet.
func claimOp(e tenants.Event, now time.Time) tenants.Op {
	hash := sha256.Sum256(e.Data)
	body := record.Encode(claim{Channel: e.Channel, Seq: e.Seq, BodyHash: hash[:]})
	return tenants.Put(ClaimKey(e.Tenant, e.ID), body, expiry(e, now), tenants.Absent())
}

// Find returns the number of the event id, if the event is in the log. A claim alone does not count: its event may be
// among the dead letters.
func (l *Log) Find(ctx context.Context, tenant tenants.TenantID, id string) (seq int64, ok bool) {
	c, err := l.claimOf(ctx, tenant, id)
	if err != nil {
		return 0, false
	}
	e, err := l.At(ctx, tenants.ChannelKey{Tenant: tenant, Name: c.Channel}, c.Seq)
	return c.Seq, err == nil && e.ID == id
}

// Recognise reports whether e is in the log, and returns it as stored if it is. If e's id is claimed for another
// body, the log stores e under a derived id: then that event is looked up, and returned. As for Find, a claim alone
// does not count.
func (l *Log) Recognise(ctx context.Context, e tenants.Event) (_ tenants.Event, known bool) {
	hash := sha256.Sum256(e.Data)
	for range 2 { // the id as sent, then the one derived from it and the body
		c, err := l.claimOf(ctx, e.Tenant, e.ID)
		if err != nil {
			return e, false
		}
		if !bytes.Equal(c.BodyHash, hash[:]) {
			e = derived(e, c)
			continue
		}
		stored, err := l.At(ctx, tenants.ChannelKey{Tenant: e.Tenant, Name: c.Channel}, c.Seq)
		if err != nil || stored.ID != e.ID {
			return e, false
		}
		return stored, true
	}
	return e, false
}

// claimOf returns the claim of the event id. If there is none: kind NotFound.
func (l *Log) claimOf(ctx context.Context, tenant tenants.TenantID, id string) (claim, error) {
	row, err := l.Table.Get(ctx, ClaimKey(tenant, id))
	if err != nil {
		return claim{}, err
	}
	c, err := record.Decode[claim](row)
	c.version = row.Version
	return c, err
}

// stray reports whether the claim c under e's id belongs to another body or another channel.
func stray(e tenants.Event, c claim) bool {
	hash := sha256.Sum256(e.Data)
	return !bytes.Equal(c.BodyHash, hash[:]) || c.Channel != e.Channel
}

// derived returns e under the id that it gets if c claims its id for another body or channel. The id follows from the
// first one and from what differs, so every retry derives the same one.
func derived(e tenants.Event, c claim) tenants.Event {
	if e.DuplicateOf == "" {
		e.DuplicateOf = e.ID
	}
	if hash := sha256.Sum256(e.Data); !bytes.Equal(c.BodyHash, hash[:]) {
		e.ID = tenants.DerivedID(tenants.PrefixEvent, e.ID, "body", string(hash[:]))
	} else {
		e.ID = tenants.DerivedID(tenants.PrefixEvent, e.ID, "channel", e.Channel)
	}
	return e
}
