package account

import (
	"context"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// AuditLog records who changed what. Entries never change; they expire, or are deleted with their tenant. A change by
// the operator is in the log of the tenant concerned and in the log of System.
type AuditLog struct{ table tenants.Table }

// NewAuditLog returns an AuditLog over t.
func NewAuditLog(t tenants.Table) *AuditLog { return &AuditLog{t} }

// AuditEntry is one change. It contains no secret.
type AuditEntry struct {
	ID        string
	Time      time.Time
	Actor     string // an API key's id, ActorOperator or ActorSignup
	Action    string // "source.create", …
	Object    string // the id or name of the changed object; "" if the action has none
	IP        string // the client's address
	RequestID string
}

// Actors that are not API keys.
const (
	ActorOperator = "operator"
	ActorSignup   = "signup"
)

const (
	rowAudit  tenants.Kind = "audit/entries" // {tenant}, time and id: ids of the same millisecond have no order
	auditLife              = 400 * 24 * time.Hour
)

// Add gives e an ID and writes it to the logs of the tenants ids. After Unavailable the entry may have been written;
// calling Add again can then write it twice.
func (l *AuditLog) Add(ctx context.Context, e AuditEntry, ids ...tenants.TenantID) error {
	e.ID = tenants.NewID(tenants.PrefixAudit)
	ops := make([]tenants.Op, 0, len(ids))
	for _, t := range ids {
		key := tenants.Key{Tenant: t, Kind: rowAudit, Sort: fmt.Sprintf("%019d.%s", e.Time.UnixNano(), e.ID)}
		ops = append(ops, tenants.Put(key, record.Encode(e), e.Time.Add(auditLife), tenants.Absent()))
	}
	return l.table.Write(ctx, ops...)
}

// List returns up to limit (1 to 100) entries, the latest first, after the position after ("" from the latest), and the
// position to continue from: "" at the end.
func (l *AuditLog) List(ctx context.Context, tenant tenants.TenantID, after string, limit int,
) (entries []AuditEntry, next string, err error) {
	limit = record.PageLimit(limit)
	page := tenants.Range{Tenant: tenant, Kind: rowAudit, Before: after, Backward: true, Limit: limit}
	rows, err := l.table.Query(ctx, page)
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
