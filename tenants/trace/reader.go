package trace

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Reader reads what was recorded of events and sessions.
type Reader struct{ table tenants.Table }

// NewReader returns a Reader of t.
func NewReader(t tenants.Table) *Reader { return &Reader{t} }

const (
	maxSteps    = 300 // of one event: two, and one for each node
	maxSessions = 1_000
)

// Steps returns the recorded steps of an event, in order of time.
func (r *Reader) Steps(ctx context.Context, tenant tenants.TenantID, event string) ([]Step, error) {
	steps, _, err := record.List[Step](ctx, r.table, tenant, traceKind(event), "", maxSteps)
	slices.SortStableFunc(steps, func(a, b Step) int {
		return cmp.Or(a.Begin().Compare(b.Begin()), strings.Compare(a.Name, b.Name))
	})
	return steps, err
}

// Sessions returns what was recorded of the subject's connections since a time, the latest first. whole is false if
// there is more than it returns.
func (r *Reader) Sessions(ctx context.Context, tenant tenants.TenantID, subject string,
	since time.Time) (list []Session, whole bool, err error) {
	after := Session{At: since}.key(tenant, subject)
	rows, err := r.table.Query(ctx, tenants.Range{
		Tenant: tenant, Kind: after.Kind, After: after.Sort, Backward: true, Limit: maxSessions,
	})
	for _, row := range rows {
		s, err := record.Decode[Session](row)
		if err != nil {
			return nil, false, err
		}
		list = append(list, s)
	}
	return list, err == nil && len(rows) < maxSessions, err
}
