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

// Reader reads what was recorded of events and sessions. What was not is not there: tracing may have been off, the event not among those sampled,
// or there may have been too much to write.
type Reader struct{ table tenants.Table }

// NewReader makes a Traces over t.
func NewReader(t tenants.Table) *Reader { return &Reader{t} }

const hopsAtMost = 300 // of one event: two, and one for each node

// Steps returns what was recorded of an event, in order of time.
func (t *Reader) Steps(ctx context.Context, tenant tenants.TenantID, event string) ([]Step, error) {
	hops, _, err := record.List[Step](ctx, t.table, tenant, traceKind(event), "", hopsAtMost)
	slices.SortStableFunc(hops, func(a, b Step) int { return cmp.Or(a.Begin().Compare(b.Begin()), strings.Compare(a.Name, b.Name)) })
	return hops, err
}

// Begin is when the hop was taken first.
func (h Step) Begin() time.Time {
	if h.First.IsZero() {
		return h.At
	}
	return h.First
}

const sessionsAtMost = 1_000

// Sessions returns what was recorded of the subject's comings and goings since, the latest first. Not whole: there is more of it.
func (t *Reader) Sessions(ctx context.Context, tenant tenants.TenantID, subject string, since time.Time) (list []Session, whole bool, err error) {
	rows, err := t.table.Query(ctx, tenants.Range{
		Tenant: tenant, Kind: sessionKind(subject), After: Session{At: since}.key(tenant, subject).Sort, Backward: true, Limit: sessionsAtMost,
	})
	if err != nil {
		return nil, false, err
	}
	for _, row := range rows {
		s, err := record.Decode[Session](row)
		if err != nil {
			return nil, false, err
		}
		list = append(list, s)
	}
	return list, len(rows) < sessionsAtMost, nil
}
