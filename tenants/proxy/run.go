package proxy

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/record"
)

// Runs stores which node runs each shared upstream, and which nodes have listeners of it. A run is one reading of an
// upstream, over any number of connections and nodes.
//
// A node takes the lease of a run that has none, that was given back, or whose node does not live any more. The lease
// lasts as long as the node lives. It holds how far the upstream was read, for the next node. See doc.go for the rows.
type Runs struct {
	table   tenants.Table
	nodes   *node.Nodes
	inboxes tenants.Inboxes
}

// NewRuns returns a Runs over the table that holds the nodes' leases.
func NewRuns(t tenants.Table, to tenants.Inboxes) *Runs {
	return &Runs{t, node.NewNodes(t), to}
}

// RunState is the stored state of a run.
type RunState struct {
	Node   string // that runs the upstream; "": none
	Open   bool   // the other server has answered and sends its events
	Over   bool   // the upstream has ended, as its channel says; no node continues it
	Opened int64  // the number of the event that says that the upstream is open
	LastID string // the other server's event id to resume from
	Epoch  string // the ids of the run's events are derived from Epoch and Count
	Count  int64  // number of events so far
}

// Lease is a run that a node has taken. The node changes the state, and writes it with Save.
type Lease struct {
	RunState
	tenant  tenants.TenantID
	run     string
	version int64
}

// ErrRunLost is returned by Save and End once another node has taken the run.
var ErrRunLost = errors.New("proxy: another node has the run")

const (
	runKept  = time.Hour      // how long the state of a run without a node is kept
	heldKept = 24 * time.Hour // of a run with a node, and of a node's listeners
)

func runKind(run string) tenants.Kind { return tenants.Kind("run/" + run) }

func leaseKey(tenant tenants.TenantID, run string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: runKind(run), Sort: "lease"}
}

func holdKey(tenant tenants.TenantID, run, node, id string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: runKind(run), Sort: "hold/" + node + "/" + id}
}

// Take takes the run for node if no living node has it, and returns the state before. The lease continues from there. A
// nil lease without an error means that the run was not taken; before.Node is the node that has it.
func (r *Runs) Take(
	ctx context.Context, tenant tenants.TenantID, run, node string,
) (before RunState, lease *Lease, err error) {
	before, was, err := record.Find[RunState](ctx, r.table, leaseKey(tenant, run))
	if err != nil {
		return before, nil, err
	}
	if before.Node != "" {
		if gone, err := r.nodes.Gone(ctx, before.Node); err != nil || !gone {
			return before, nil, err
		}
	}
	version, _ := was.Version()
	lease = &Lease{RunState: before, tenant: tenant, run: run, version: version + 1}
	lease.Node, lease.Open, lease.Over = node, false, false
	if lease.LastID == "" || lease.Epoch == "" {
		lease.Epoch, lease.Count = tenants.NewID(""), 0
	}
	body := record.Encode(lease.RunState)
	err = r.table.Write(ctx, tenants.Put(leaseKey(tenant, run), body, time.Now().Add(heldKept), was))
	if tenants.IsRefused(err) {
		before, _, err = r.Look(ctx, tenant, run)
		return before, nil, err
	}
	if err != nil {
		return before, nil, err
	}
	return before, lease, nil
}

// Look returns the run's state, and whether a living node runs it.
func (r *Runs) Look(ctx context.Context, tenant tenants.TenantID, run string) (s RunState, runs bool, err error) {
	s, _, err = record.Find[RunState](ctx, r.table, leaseKey(tenant, run))
	if err != nil || s.Node == "" {
		return s, false, err
	}
	gone, err := r.nodes.Gone(ctx, s.Node)
	return s, !gone, err
}

// Save writes the state of the run. ErrRunLost: another node has it.
func (r *Runs) Save(ctx context.Context, l *Lease) error {
	return r.write(ctx, l, time.Now().Add(heldKept))
}

// End gives the run back. If over is true, no node continues it.
func (r *Runs) End(ctx context.Context, l *Lease, over bool) error {
	l.Node, l.Open, l.Over = "", false, over
	return r.write(ctx, l, time.Now().Add(runKept))
}

func (r *Runs) write(ctx context.Context, l *Lease, expires time.Time) error {
	body := record.Encode(l.RunState)
	err := r.table.Write(ctx, tenants.Put(leaseKey(l.tenant, l.run), body, expires, tenants.At(l.version)))
	if tenants.IsRefused(err) { // perhaps by an earlier write of this state, which was stored and reported as failed
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

// Join notes that node has listeners of the run. The caller chooses id, for Leave.
func (r *Runs) Join(ctx context.Context, tenant tenants.TenantID, run, node, id string) error {
	key := holdKey(tenant, run, node, id)
	return r.table.Write(ctx, tenants.Put(key, record.Empty, time.Now().Add(heldKept), tenants.Anything()))
}

// Leave removes what Join noted, and tells the node that runs the upstream, if that is another one.
func (r *Runs) Leave(ctx context.Context, tenant tenants.TenantID, run, node, id string) error {
	if err := r.table.Write(ctx, tenants.Delete(holdKey(tenant, run, node, id), tenants.Anything())); err != nil {
		return err
	}
	s, runs, err := r.Look(ctx, tenant, run)
	if err != nil || !runs || s.Node == node {
		return err
	}
	order := &tenants.Order{Do: tenants.OrderLetGo, Run: run}
	return r.inboxes.Send(ctx, s.Node, tenants.InboxMessage{Tenant: tenant, Order: order})
}

// Wanted reports whether any living node has listeners, except those that joined with the id but.
func (r *Runs) Wanted(ctx context.Context, tenant tenants.TenantID, run, but string) (bool, error) {
	const page = 100
	for after := "hold/"; ; {
		held := tenants.Range{Tenant: tenant, Kind: runKind(run), After: after, Before: "hold0", Limit: page}
		rows, err := r.table.Query(ctx, held)
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
