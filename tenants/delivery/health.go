package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
)

// noteAttempt adds the attempt to the endpoint's health, and warns the tenant or gives the endpoint up if it has
// failed for too long. A failed write is only logged: the next attempt's result is noted again.
func (d *Deliverer) noteAttempt(ctx context.Context, t task, a Attempt, now time.Time) {
	if a.Succeeded() {
		if t.health == (endpoint.Health{}) {
			return
		}
		d.changeHealth(ctx, t.ep, func(h endpoint.Health) (endpoint.Health, bool) {
			to := endpoint.Health{}
			if h.Full.After(now) {
				to.Full = h.Full
			}
			return to, h != to
		})
		return
	}
	var warning int // to send; 0: none
	var since time.Time
	ok := d.changeHealth(ctx, t.ep, func(h endpoint.Health) (endpoint.Health, bool) {
		to := h.Failed(now, a.Status, a.RetryAfter)
		warning, since = 0, to.Since
		for i, after := range endpoint.Warnings() {
			if now.Sub(since) >= after && to.Warned <= i {
				to.Warned, warning = i+1, i+1
			}
		}
		return to, h != to
	})
	switch {
	case !ok:
	case now.Sub(since) >= endpoint.DisableAfter:
		d.giveUp(ctx, t.ep, "all attempts have failed since "+since.UTC().Format(time.RFC3339))
	case warning > 0:
		since = since.UTC().Truncate(time.Second)
		notice := failing{t.ep.ID, t.ep.Name, since, since.Add(endpoint.DisableAfter), warning}
		d.tell(ctx, t.ep, TypeEndpointFailing, notice)
	}
}

// changeHealth is Healths.Change; it logs an error and reports whether there was none.
func (d *Deliverer) changeHealth(ctx context.Context, ep endpoint.Endpoint,
	f func(endpoint.Health) (endpoint.Health, bool)) bool {
	err := d.healths().Change(ctx, ep.Tenant, ep.ID, f)
	if err != nil {
		d.warn(ctx, "the health of an endpoint was not noted", "tenant", ep.Tenant, "endpoint", ep.ID, "error", err)
	}
	return err == nil
}

// giveUp disables the endpoint and tells its tenant.
func (d *Deliverer) giveUp(ctx context.Context, ep endpoint.Endpoint, reason string) {
	if ep.State != endpoint.Enabled {
		return
	}
	to, err := d.Endpoints.GiveUp(ctx, ep, reason)
	d.seen.Forget(endpointName(ep.Tenant, ep.ID))
	switch {
	case tenants.IsNotFound(err):
	case err != nil: // the next attempt tries again
		d.warn(ctx, "an endpoint was not disabled", "tenant", ep.Tenant, "endpoint", ep.ID, "error", err)
	case to.State == endpoint.Disabled && to.Reason == reason: // not if the tenant has changed it meanwhile
		notice := disabled{ep.ID, ep.Name, reason, to.Changed.UTC().Truncate(time.Second)}
		d.tell(ctx, ep, TypeEndpointDisabled, notice)
		d.changeHealth(ctx, ep, func(endpoint.Health) (endpoint.Health, bool) { return endpoint.Health{}, true })
	}
}

// TypeEndpointFailing and TypeEndpointDisabled are the types of the events that tell a tenant about an endpoint, in its
// notices channel:
//
//	endpoint.failing   {"endpoint":"end_…","name":"…","failing_since":"…","disabled_at":"…","warning":1}
//	endpoint.disabled  {"endpoint":"end_…","name":"…","reason":"…","at":"…"}
//
// The first is sent when all attempts have failed for one day, three days, and four and a half.
const (
	TypeEndpointFailing  = "endpoint.failing"
	TypeEndpointDisabled = "endpoint.disabled"
)

// failing is the data of an event of TypeEndpointFailing.
type failing struct {
	Endpoint     string    `json:"endpoint"`
	Name         string    `json:"name"`
	FailingSince time.Time `json:"failing_since"`
	DisabledAt   time.Time `json:"disabled_at"`
	Warning      int       `json:"warning"` // 1, 2, 3
}

// disabled is the data of an event of TypeEndpointDisabled.
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
	if limits, err := d.Tenants.Limits(ctx, ep.Tenant); err == nil {
		d.Notices.Tell(ctx, ep.Tenant, limits, kind, record.Encode(data))
	}
}
