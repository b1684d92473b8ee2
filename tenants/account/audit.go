package account

import (
	"context"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// AuditLog keeps who has changed what. Entries are added, and never changed; they leave by their expiry, or with their tenant. What the operator
// did is in the log of the tenant that it was done to, and in System's.
type AuditLog struct{ table tenants.Table }

// NewAuditLog makes an AuditLog over t.
func NewAuditLog(t tenants.Table) *AuditLog { return &AuditLog{t} }

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
	rowAudit  tenants.Kind = "audit/entries" // {tenant}, the entry's time and id: ids of one millisecond are in no order
	auditLife              = 400 * 24 * time.Hour
)

// Add keeps e, whose ID it makes, in the logs of tenants. It may be added twice where it returns Unavailable and is called again.
func (l *AuditLog) Add(ctx context.Context, e AuditEntry, ids ...tenants.TenantID) error {
	e.ID = tenants.NewID(tenants.PrefixAudit)
	ops := make([]tenants.Op, 0, len(ids))
	for _, t := range ids {
		ops = append(ops, tenants.Put(tenants.Key{Tenant: t, Kind: rowAudit, Sort: fmt.Sprintf("%019d.%s", e.Time.UnixNano(), e.ID)}, record.Encode(e), e.Time.Add(auditLife), tenants.Absent()))
	}
	return l.table.Write(ctx, ops...)
}

// List returns up to limit (1 to 100) entries behind the position after ("" from the latest), the latest first, and where to go on: "" at the end.
func (l *AuditLog) List(ctx context.Context, tenant tenants.TenantID, after string, limit int) (entries []AuditEntry, next string, err error) {
	limit = record.PageLimit(limit)
	rows, err := l.table.Query(ctx, tenants.Range{Tenant: tenant, Kind: rowAudit, Before: after, Backward: true, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	for _, row := range rows {
		e, err := record.Decode[AuditEntry](row)
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
