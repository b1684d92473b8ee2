package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/record"
)

// Runs says which node runs a shared upstream, and which nodes have somebody who listens to it.
//
// A lease names an incarnation of a node and lasts as long as that, as interest does: it is taken where there is none, where its node has
// given it back, or where its node lives no more. It keeps how far the upstream was read, for whoever takes it next. Rows run/{run}:
//
//	lease              the run's state
//	hold/{node}/{id}   a node has listeners; it counts for as long as the node lives
type Runs struct {
	table   tenants.Table
	nodes   *node.Nodes
	inboxes tenants.Inboxes
}

// NewRuns makes a Runs over the table that holds the nodes' leases.
func NewRuns(t tenants.Table, to tenants.Inboxes) *Runs {
	return &Runs{t, node.NewNodes(t), to}
}

// RunState is what is known of a shared upstream.
type RunState struct {
	Node   string // who runs it; "": nobody
	Open   bool   // the other server has answered, and its events come
	Over   bool   // it ended by itself: its channel says so, and nobody is to go on with it
	Opened int64  // the number of the event that says that it began
	LastID string // where the other server would go on
	Epoch  string // what the ids of its events follow from, with
	Count  int64  // how many there have been
}

// Lease is a node's hold on a run.
type Lease struct {
	RunState
	tenant  tenants.TenantID
	run     string
	version int64
}

// ErrRunLost is what Save and End return once somebody else has taken the run.
var ErrRunLost = errors.New("tenants: another node has the run")

const runKept = time.Hour // how long it is remembered how far a run that nobody runs was read

func runKind(run string) tenants.Kind { return tenants.Kind("run/" + run) }

func leaseKey(tenant tenants.TenantID, run string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: runKind(run), Sort: "lease"}
}

// Take takes the run for node where it can be had. before is what was known of it; the lease goes on from there. Not taken: before says who
// has it.
func (r *Runs) Take(ctx context.Context, tenant tenants.TenantID, run, node string) (before RunState, lease *Lease, err error) {
	row, err := r.table.Get(ctx, leaseKey(tenant, run))
	free := tenants.Absent()
	switch {
	case err == nil:
		if err := json.Unmarshal(row.Body, &before); err != nil {
			return before, nil, tenants.Errorf(tenants.Internal, "record_undecodable", "%w", err)
		}
		if before.Node != "" {
			gone, err := r.nodes.Gone(ctx, before.Node)
			if err != nil || !gone {
				return before, nil, err
			}
		}
		free = tenants.At(row.Version)
	case !tenants.IsNotFound(err):
		return before, nil, err
	}
	lease = &Lease{RunState: before, tenant: tenant, run: run, version: row.Version + 1}
	lease.Node, lease.Open, lease.Over = node, false, false
	if lease.LastID == "" || lease.Epoch == "" {
		lease.Epoch, lease.Count = tenants.NewID(""), 0
	}
	err = r.table.Write(ctx, tenants.Put(leaseKey(tenant, run), record.Encode(lease.RunState), time.Now().Add(24*time.Hour), free))
	if _, refused := errors.AsType[*tenants.RefusedError](err); refused {
		before, _, err = r.Look(ctx, tenant, run)
		return before, nil, err
	}
	if err != nil {
		return before, nil, err
	}
	return before, lease, nil
}

// Look returns the run's state, and whether a node that lives runs it.
func (r *Runs) Look(ctx context.Context, tenant tenants.TenantID, run string) (s RunState, runs bool, err error) {
	row, err := r.table.Get(ctx, leaseKey(tenant, run))
	if tenants.IsNotFound(err) {
		return s, false, nil
	}
	if err != nil {
		return s, false, err
	}
	if err := json.Unmarshal(row.Body, &s); err != nil {
		return s, false, tenants.Errorf(tenants.Internal, "record_undecodable", "%w", err)
	}
	if s.Node == "" {
		return s, false, nil
	}
	gone, err := r.nodes.Gone(ctx, s.Node)
	return s, !gone, err
}

// Save writes how far the run is. ErrRunLost: it is another's.
func (r *Runs) Save(ctx context.Context, l *Lease) error {
	return r.write(ctx, l, time.Now().Add(24*time.Hour))
}

// End gives the run back. over says that nobody is to go on with it.
func (r *Runs) End(ctx context.Context, l *Lease, over bool) error {
	l.Node, l.Open, l.Over = "", false, over
	return r.write(ctx, l, time.Now().Add(runKept))
}

func (r *Runs) write(ctx context.Context, l *Lease, expires time.Time) error {
	body := record.Encode(l.RunState)
	err := r.table.Write(ctx, tenants.Put(leaseKey(l.tenant, l.run), body, expires, tenants.At(l.version)))
	if _, refused := errors.AsType[*tenants.RefusedError](err); refused {
		// What was stored and reported failed is ours, too.
		row, err := r.table.Get(ctx, leaseKey(l.tenant, l.run))
		if err != nil && !tenants.IsNotFound(err) {
			return err
		}
		if string(row.Body) != string(body) {
			return ErrRunLost
		}
		l.version = row.Version
		return nil
	}
	if err == nil {
		l.version++
	}
	return err
}

// Join notes that node has listeners, under an id of the caller's, and Leave that it has none any more.
func (r *Runs) Join(ctx context.Context, tenant tenants.TenantID, run, node, id string) error {
	return r.table.Write(ctx, tenants.Put(tenants.Key{Tenant: tenant, Kind: runKind(run), Sort: "hold/" + node + "/" + id}, record.Empty, time.Now().Add(24*time.Hour), tenants.Anything()))
}

// Leave ends what Hold began, and tells the node that runs it, if that is another.
func (r *Runs) Leave(ctx context.Context, tenant tenants.TenantID, run, node, id string) error {
	if err := r.table.Write(ctx, tenants.Delete(tenants.Key{Tenant: tenant, Kind: runKind(run), Sort: "hold/" + node + "/" + id}, tenants.Anything())); err != nil {
		return err
	}
	s, runs, err := r.Look(ctx, tenant, run)
	if err != nil || !runs || s.Node == node {
		return err
	}
	return r.inboxes.Send(ctx, s.Node, tenants.InboxMessage{Tenant: tenant, Order: &tenants.Order{Do: tenants.OrderLetGo, Run: run}})
}

// Wanted tells whether a node that lives has listeners, besides the id given.
func (r *Runs) Wanted(ctx context.Context, tenant tenants.TenantID, run, but string) (bool, error) {
	const page = 100
	for after := "hold/"; ; {
		rows, err := r.table.Query(ctx, tenants.Range{Tenant: tenant, Kind: runKind(run), After: after, Before: "hold0", Limit: page})
		if err != nil {
			return false, err
		}
		for _, row := range rows {
			node, id, _ := strings.Cut(strings.TrimPrefix(row.Sort, "hold/"), "/")
			if id == but {
				continue
			}
			if gone, err := r.nodes.Gone(ctx, node); err != nil || !gone {
				return err == nil, err
			}
		}
		if len(rows) < page {
			return false, nil
		}
		after = rows[page-1].Sort
	}
}
