package tenants

import (
	"context"
	"fmt"
	"time"
)

// AuditLog keeps who has changed what. Entries are added, and never changed; they leave by their expiry, or with their tenant. What the operator
// did is in the log of the tenant that it was done to, and in System's.
type AuditLog struct{ table Table }

// NewAuditLog makes an AuditLog over t.
func NewAuditLog(t Table) *AuditLog { return &AuditLog{t} }

// AuditEntry is one change. No part of it is a secret.
type AuditEntry struct {
	ID        string
	Time      time.Time
	Actor     string // a key's id, ActorOperator or ActorSignup
	Action    string // "source.create", …
	Object    string // the id or name of what was changed; "" where the action says it all
	IP        string // whom the request came from
	RequestID string
}

// Actors that are no key.
const (
	ActorOperator = "operator"
	ActorSignup   = "signup"
)

const (
	rowAudit  Kind = "audit/entries" // {tenant}, the entry's time and id: ids of one millisecond are in no order
	auditLife      = 400 * 24 * time.Hour
)

// Add keeps e, whose ID it makes, in the logs of tenants. It may be added twice where it returns Unavailable and is called again.
func (l *AuditLog) Add(ctx context.Context, e AuditEntry, tenants ...TenantID) error {
	e.ID = NewID(PrefixAudit)
	ops := make([]Op, 0, len(tenants))
	for _, t := range tenants {
		ops = append(ops, Put(Key{t, rowAudit, fmt.Sprintf("%019d.%s", e.Time.UnixNano(), e.ID)}, encodeRecord(e), e.Time.Add(auditLife), Absent()))
	}
	return l.table.Write(ctx, ops...)
}

// List returns up to limit (1 to 100) entries behind the position after ("" from the latest), the latest first, and where to go on: "" at the end.
func (l *AuditLog) List(ctx context.Context, tenant TenantID, after string, limit int) (entries []AuditEntry, next string, err error) {
	limit = pageLimit(limit)
	rows, err := l.table.Query(ctx, Range{Tenant: tenant, Kind: rowAudit, Before: after, Backward: true, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	for _, row := range rows {
		e, err := decodeRecord[AuditEntry](row)
		if err != nil {
			return nil, "", err
		}
		entries = append(entries, e)
	}
	if len(rows) == limit {
		next = rows[limit-1].Sort
	}
	return entries, next, nil
}
