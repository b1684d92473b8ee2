package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
)

// Replay sends events of the log to an endpoint again, page by page, by messages of the waiting queue: it goes on after any crash, and a page that
// is done twice names the same deliveries.
type Replay struct {
	ID       string
	Tenant   tenants.TenantID
	Do       ReplayKind
	Endpoint string // "": of dead letters, every one
	Channel  string // "": every channel
	Types    []string
	Since    time.Time // events received since,
	Until    time.Time // and before
	State    ReplayState
	Reason   string // why it failed, for people
	Examined int64
	Sent     int64
	Created  time.Time
	Updated  time.Time

	Page int    // that is next: a message for another is late
	At   string // the channel that it is at, or the dead letter
	Seq  int64  // the last number of that channel that is done with; -1: none yet
}

// ReplayKind is what a replay does.
type ReplayKind string

// The kinds of replays.
const (
	ReplayEvents  ReplayKind = "replay"  // each event that the endpoint's filters let through, as a new delivery
	ReplayMissing ReplayKind = "recover" // each that it has not got: those that are dead or canceled, and those that came while it was disabled
	ReplayDead    ReplayKind = "redrive" // each dead letter
)

// ReplayState says how far a replay is.
type ReplayState string

// The states of a replay.
const (
	ReplayRunning ReplayState = "running"
	ReplayDone    ReplayState = "done"
	ReplayFailed  ReplayState = "failed"
)

// ReplaySpec is what a caller chooses of a replay.
type ReplaySpec struct {
	Do           ReplayKind
	Endpoint     string
	Channel      string
	Types        []string
	Since, Until time.Time // Until zero: up to now
}

// ReplayCount is what a replay would send, counted by a dry run.
type ReplayCount struct {
	Count    int64
	Complete bool // false: there are more, which were not counted
}

const (
	rowReplays   tenants.Kind = "list/replays" // {tenant}, replay id
	replayPage                = 100            // events that are looked at by one message
	replayPause               = time.Second    // between two pages
	replayLife                = 30 * 24 * time.Hour
	dryRunAtMost              = 20_000 // events that a dry run looks at
)

func replayKey(t tenants.TenantID, id string) tenants.Key {
	return tenants.Key{Tenant: t, Kind: rowReplays, Sort: id}
}

// newReplay checks what is asked for.
func (d *Deliveries) newReplay(ctx context.Context, t tenants.TenantID, spec ReplaySpec) (Replay, endpoint.Endpoint, error) {
	now := time.Now().UTC()
	r := Replay{
		ID: tenants.NewID(tenants.PrefixReplay), Tenant: t, Do: spec.Do, Endpoint: spec.Endpoint, Channel: spec.Channel, Types: spec.Types, Since: spec.Since.UTC(),
		Until: spec.Until.UTC(), State: ReplayRunning, Created: now, Updated: now, Seq: -1,
	}
	if r.Until.IsZero() || r.Until.After(now) {
		r.Until = now
	}
	switch {
	case r.Channel != "" && !tenants.ValidChannel(r.Channel):
		return r, endpoint.Endpoint{}, tenants.Refused("/channel", "invalid_channel", "this cannot name a channel")
	case !r.Since.Before(r.Until):
		return r, endpoint.Endpoint{}, tenants.Refused("/since", "invalid_range", "since must be before until, and in the past")
	}
	if err := endpoint.CheckPatterns("/types", "invalid_type", r.Types, endpoint.ValidTypePattern, "a type is 1 to 128 letters, digits and . _ : / - or the beginning of one and .*, or *"); err != nil {
		return r, endpoint.Endpoint{}, err
	}
	var ep endpoint.Endpoint
	if r.Endpoint != "" || r.Do != ReplayDead {
		var err error
		if ep, err = d.Endpoints.Get(ctx, t, r.Endpoint); err != nil {
			return r, ep, err
		}
		if err := deliverable(ep); err != nil {
			return r, ep, err
		}
	}
	return r, ep, nil
}

// StartReplay begins a replay. Its endpoint is not enabled: Conflict endpoint_not_enabled.
func (d *Deliveries) StartReplay(ctx context.Context, t tenants.TenantID, spec ReplaySpec) (Replay, error) {
	r, _, err := d.newReplay(ctx, t, spec)
	if err != nil {
		return Replay{}, err
	}
	if err := d.Table.Write(ctx, r.put(tenants.Absent())); err != nil {
		return Replay{}, err
	}
	return r, d.wait(ctx, r.errand(r.Created))
}

// Recover begins the replay of what the endpoint has not got since, and returns its id.
func (d *Deliveries) Recover(ctx context.Context, t tenants.TenantID, endpoint string, since time.Time) (id string, err error) {
	r, err := d.StartReplay(ctx, t, ReplaySpec{Do: ReplayMissing, Endpoint: endpoint, Since: since})
	return r.ID, err
}

// CountReplay counts what StartReplay would send, and sends nothing.
func (d *Deliveries) CountReplay(ctx context.Context, t tenants.TenantID, spec ReplaySpec) (ReplayCount, error) {
	r, ep, err := d.newReplay(ctx, t, spec)
	if err != nil {
		return ReplayCount{}, err
	}
	limits, err := d.Tenants.Limits(ctx, t)
	if err != nil {
		return ReplayCount{}, err
	}
	w := &replaying{Outbox: d.Outbox, r: r, ep: ep, retention: limits.Retention(), dry: true}
	for !w.over && w.r.Examined < dryRunAtMost {
		if err := w.page(ctx); err != nil {
			return ReplayCount{}, err
		}
	}
	return ReplayCount{w.r.Sent, w.over}, nil
}

// GetReplay returns a replay: NotFound replay_not_found.
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

// errand is the message for the next page.
func (r Replay) errand(due time.Time) errand {
	return errand{Do: doReplay, Tenant: r.Tenant, Endpoint: r.Endpoint, Delivery: r.ID, Attempt: r.Page, Began: r.Created, Due: due}
}
