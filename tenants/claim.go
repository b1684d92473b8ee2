package tenants

import (
	"bytes"
	"context"
	"crypto/sha256"
	"time"
)

// claim is the row evt/{event id}: which number of which channel the event is to have. It is a hint, and the row there
// the truth: the event is in the log if and only if that row bears its id.
type claim struct {
	Channel  string
	Seq      int64
	BodyHash []byte // SHA-256 of the event's data

	version int64
}

func claimKey(tenant TenantID, id string) Key { return Key{tenant, "evt", id} }

// claimOp claims for e, which has no claim yet, the number that it carries.
func claimOp(e Event, now time.Time) Op {
	hash := sha256.Sum256(e.Data)
	return Put(claimKey(e.Tenant, e.ID), encodeRecord(claim{Channel: e.Channel, Seq: e.Seq, BodyHash: hash[:]}), expiry(e, now), Absent())
}

// claimOf returns the claim of the event id; none: kind NotFound.
func (l *Log) claimOf(ctx context.Context, tenant TenantID, id string) (claim, error) {
	row, err := l.table.Get(ctx, claimKey(tenant, id))
	if err != nil {
		return claim{}, err
	}
	c, err := decodeRecord[claim](row)
	c.version = row.Version
	return c, err
}

// stray tells whether the claim c under e's id belongs to another body or another channel.
func (e Event) stray(c claim) bool {
	hash := sha256.Sum256(e.Data)
	return !bytes.Equal(c.BodyHash, hash[:]) || c.Channel != e.Channel
}

// derived returns e as the event that it becomes where its id is claimed by c for something else: under an id that follows from
// the first one and what differs, so that every retry of it derives the same.
func (e Event) derived(c claim) Event {
	if e.DuplicateOf == "" {
		e.DuplicateOf = e.ID
	}
	if hash := sha256.Sum256(e.Data); !bytes.Equal(c.BodyHash, hash[:]) {
		e.ID = DerivedID(PrefixEvent, e.ID, "body", string(hash[:]))
	} else {
		e.ID = DerivedID(PrefixEvent, e.ID, "channel", e.Channel)
	}
	return e
}
