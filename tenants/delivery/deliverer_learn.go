package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
)

// learn takes the attempt into what is known of the endpoint's health. Nothing depends on it in any one case: where it cannot be written, the
// next attempt's is.
func (d *Deliverer) learn(ctx context.Context, t task, a Attempt, now time.Time) {
	if a.Succeeded() {
		if t.h == (endpoint.Health{}) {
			return
		}
		err := d.healths().Change(ctx, t.ep.Tenant, t.ep.ID, func(h endpoint.Health) (endpoint.Health, bool) {
			to := endpoint.Health{}
			if h.Full.After(now) {
				to.Full = h.Full
			}
			return to, h != to
		})
		d.unlearned(ctx, t.ep, err)
		return
	}
	var warn, give int
	var since time.Time
	err := d.healths().Change(ctx, t.ep.Tenant, t.ep.ID, func(h endpoint.Health) (endpoint.Health, bool) {
		to := h.Failed(now, a.Status, a.RetryAfter)
		warn, give, since = 0, 0, to.Since
		spell := now.Sub(to.Since)
		for i, after := range endpoint.Warnings() {
			if spell >= after && to.Warned <= i {
				to.Warned, warn = i+1, i+1
			}
		}
		if spell >= endpoint.DisableAfter {
			give = 1
		}
		return to, h != to
	})
	d.unlearned(ctx, t.ep, err)
	switch {
	case err != nil:
	case give > 0:
		d.giveUp(ctx, t.ep, "all attempts have failed since "+since.UTC().Format(time.RFC3339), now)
	case warn > 0:
		began := since.UTC().Truncate(time.Second)
		d.tell(ctx, t.ep, TypeEndpointFailing, failing{t.ep.ID, t.ep.Name, began, began.Add(endpoint.DisableAfter), warn})
	}
}

func (d *Deliverer) unlearned(ctx context.Context, ep endpoint.Endpoint, err error) {
	if err != nil {
		d.warn(ctx, "what an attempt showed of an endpoint was not noted", "tenant", ep.Tenant, "endpoint", ep.ID, "error", err)
	}
}

// giveUp disables the endpoint and tells its tenant.
func (d *Deliverer) giveUp(ctx context.Context, ep endpoint.Endpoint, reason string, now time.Time) {
	if ep.State != endpoint.Enabled {
		return
	}
	to, err := d.Endpoints.GiveUp(ctx, ep, reason)
	d.seen.Forget(string(ep.Tenant) + "/" + ep.ID)
	if err != nil {
		if !tenants.IsNotFound(err) {
			d.warn(ctx, "an endpoint was not disabled", "tenant", ep.Tenant, "endpoint", ep.ID, "error", err)
		}
		return // the next attempt tries again
	}
	if to.State != endpoint.Disabled || to.Reason != reason {
		return // the tenant has changed it meanwhile
	}
	d.tell(ctx, ep, TypeEndpointDisabled, disabled{ep.ID, ep.Name, reason, to.Changed.UTC().Truncate(time.Second)})
	if err := d.healths().Change(ctx, ep.Tenant, ep.ID, func(h endpoint.Health) (endpoint.Health, bool) { return endpoint.Health{}, true }); err != nil {
		d.unlearned(ctx, ep, err)
	}
}

// Types of the events that tell a tenant of an endpoint, in its channel NoticesChannel:
//
//	endpoint.failing   {"endpoint":"end_…","name":"…","failing_since":"…","disabled_at":"…","warning":1}
//	endpoint.disabled  {"endpoint":"end_…","name":"…","reason":"…","at":"…"}
//
// The first comes when attempts have failed, and nothing else, for one day, three days, and four and a half.
const (
	TypeEndpointFailing  = "endpoint.failing"
	TypeEndpointDisabled = "endpoint.disabled"
)

// failing and disabled are the notices' data, under the names that they have in JSON.
type failing struct {
	Endpoint     string    `json:"endpoint"`
	Name         string    `json:"name"`
	FailingSince time.Time `json:"failing_since"`
	DisabledAt   time.Time `json:"disabled_at"`
	Warning      int       `json:"warning"` // 1, 2, 3
}

type disabled struct {
	Endpoint string    `json:"endpoint"`
	Name     string    `json:"name"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

func (d *Deliverer) tell(ctx context.Context, ep endpoint.Endpoint, kind string, data any) {
	if d.Notices == nil {
		return
	}
	limits, err := d.Tenants.Limits(ctx, ep.Tenant)
	if err != nil {
		return
	}
	d.Notices.Tell(ctx, ep.Tenant, limits, kind, record.Encode(data))
}
