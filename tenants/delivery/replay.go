package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
)

// Replay sends events of the log to an endpoint again, page by page, by messages of the waiting queue. So it
// continues after a crash, and a page that is done twice names the same deliveries.
type Replay struct {
	ID       string
	Tenant   tenants.TenantID
	Do       ReplayKind
	Endpoint string // "": all, which only ReplayDead allows
	Channel  string // "": all
	Types    []string
	Since    time.Time // events received since then
	Until    time.Time // and before then
	State    ReplayState
	Reason   string // why it failed, for people
	Examined int64
	Sent     int64
	Created  time.Time
	Updated  time.Time

	Page int    // the next one; a message for another is late
	At   string // the channel that it has come to, or the dead letter
	Seq  int64  // the last number of that channel that is done; -1: none yet
}

// ReplayKind says which events a replay sends.
type ReplayKind string

// The kinds of replays.
const (
	ReplayEvents  ReplayKind = "replay"  // those that match the endpoint's filters, as new deliveries
	ReplayMissing ReplayKind = "recover" // of these, those that have not been delivered: dead, canceled or never tried
	ReplayDead    ReplayKind = "redrive" // those of dead deliveries
)

// ReplayState is the state of a replay.
type ReplayState string

// The states of a replay.
const (
	ReplayRunning ReplayState = "running"
	ReplayDone    ReplayState = "done"
	ReplayFailed  ReplayState = "failed"
)

// ReplaySpec is the part of a Replay that the caller chooses.
type ReplaySpec struct {
	Do           ReplayKind
	Endpoint     string
	Channel      string
	Types        []string
	Since, Until time.Time // Until zero: now
}

// ReplayCount is the number of events that a replay would send.
type ReplayCount struct {
	Count    int64
	Complete bool // false: there are more, which were not counted
}

const (
	rowReplays   tenants.Kind = "list/replays" // {tenant}, replay id
	replayPage                = 100            // events that one message examines
	replayPause               = time.Second    // between two pages
	replayLife                = 30 * 24 * time.Hour
	dryRunAtMost              = 20_000 // events that a dry run examines
)

func replayKey(t tenants.TenantID, id string) tenants.Key {
	return tenants.Key{Tenant: t, Kind: rowReplays, Sort: id}
}

// newReplay checks a spec and returns the replay and its endpoint, if it has one.
func (d *Deliveries) newReplay(ctx context.Context, t tenants.TenantID, spec ReplaySpec) (
	r Replay, ep endpoint.Endpoint, err error) {
	now := time.Now().UTC()
	r = Replay{
		ID: tenants.NewID(tenants.PrefixReplay), Tenant: t, Do: spec.Do, Endpoint: spec.Endpoint, Channel: spec.Channel,
		Types: spec.Types, Since: spec.Since.UTC(), Until: spec.Until.UTC(), State: ReplayRunning, Created: now,
		Updated: now, Seq: -1,
	}
	if r.Until.IsZero() || r.Until.After(now) {
		r.Until = now
	}
	switch {
	case r.Channel != "" && !tenants.ValidChannel(r.Channel):
		return r, ep, tenants.Refused("/channel", "invalid_channel", "the channel must be the name of a channel")
	case !r.Since.Before(r.Until):
		return r, ep, tenants.Refused("/since", "invalid_range", "since must be before until, and in the past")
	}
	err = endpoint.CheckPatterns("/types", "invalid_type", r.Types, endpoint.ValidTypePattern,
		"each type must be 1 to 128 letters, digits and . _ : / -, or a prefix such as orders.*, or *")
	if err == nil && (r.Endpoint != "" || r.Do != ReplayDead) {
		if ep, err = d.Endpoints.Get(ctx, t, r.Endpoint); err == nil {
			err = mustBeEnabled(ep)
		}
	}
	return r, ep, err
}

// StartReplay begins a replay. If its endpoint is not enabled, the error is Conflict endpoint_not_enabled.
func (d *Deliveries) StartReplay(ctx context.Context, t tenants.TenantID, spec ReplaySpec) (Replay, error) {
	r, _, err := d.newReplay(ctx, t, spec)
	if err != nil {
		return Replay{}, err
	}
	if err := d.Table.Write(ctx, r.put(tenants.Absent())); err != nil {
		return Replay{}, err
	}
	return r, d.wait(ctx, r.nextPage(r.Created))
}

// Recover starts a replay of the events that the endpoint has not received since then, and returns its id.
func (d *Deliveries) Recover(ctx context.Context, t tenants.TenantID, endpoint string, since time.Time) (string,
	error) {
	r, err := d.StartReplay(ctx, t, ReplaySpec{Do: ReplayMissing, Endpoint: endpoint, Since: since})
	return r.ID, err
}

// CountReplay counts the events that StartReplay would send, and sends nothing.
func (d *Deliveries) CountReplay(ctx context.Context, t tenants.TenantID, spec ReplaySpec) (ReplayCount, error) {
	r, ep, err := d.newReplay(ctx, t, spec)
	if err != nil {
		return ReplayCount{}, err
	}
	limits, err := d.Tenants.Limits(ctx, t)
	if err != nil {
		return ReplayCount{}, err
	}
	run := &replayRun{Outbox: d.Outbox, r: r, ep: ep, retention: limits.Retention(), dry: true}
	for !run.over && run.r.Examined < dryRunAtMost {
		if err := run.page(ctx); err != nil {
			return ReplayCount{}, err
		}
	}
	return ReplayCount{run.r.Sent, run.over}, nil
}

// GetReplay returns a replay. If there is none, the error is NotFound replay_not_found.
func (d *Deliveries) GetReplay(ctx context.Context, t tenants.TenantID, id string) (Replay, error) {
	const code, detail = "replay_not_found", "there is no such replay"
	if !tenants.ValidID(tenants.PrefixReplay, id) {
		return Replay{}, tenants.Errorf(tenants.NotFound, code, detail)
	}
	return record.Read[Replay](ctx, d.Table, replayKey(t, id), code, detail)
}

func (r Replay) put(c tenants.Condition) tenants.Op {
	r.Updated = time.Now().UTC()
	return tenants.Put(replayKey(r.Tenant, r.ID), record.Encode(r), r.Created.Add(replayLife), c)
}

// nextPage returns the message for the next page.
func (r Replay) nextPage(due time.Time) message {
	return message{
		Do: doReplay, Tenant: r.Tenant, Endpoint: r.Endpoint, Delivery: r.ID, Attempt: r.Page, Began: r.Created,
		Due: due,
	}
}
