package api

import (
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
)

// replayView is a replay as answers show it.
type replayView struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"`
	Endpoint *string    `json:"endpoint_id"`
	Channel  *string    `json:"channel"`
	Types    []string   `json:"types"`
	Since    *time.Time `json:"since"`
	Until    time.Time  `json:"until"`
	State    string     `json:"state"`
	Reason   *string    `json:"reason"`
	Examined int64      `json:"examined"`
	Sent     int64      `json:"sent"`
	Created  time.Time  `json:"created_at"`
	Updated  time.Time  `json:"updated_at"`
}

func viewReplay(r delivery.Replay) replayView {
	return replayView{
		ID: r.ID, Kind: string(r.Do), Endpoint: nullable(r.Endpoint), Channel: nullable(r.Channel),
		Types: append([]string{}, r.Types...), Since: optionalTime(r.Since), Until: r.Until.UTC(),
		State: string(r.State), Reason: nullable(r.Reason), Examined: r.Examined, Sent: r.Sent,
		Created: r.Created.UTC(), Updated: r.Updated.UTC(),
	}
}

// replayCountView answers a dry run.
type replayCountView struct {
	DryRun   bool  `json:"dry_run"`
	Count    int64 `json:"count"`
	Complete bool  `json:"complete"`
}

func (a *API) startReplay(c *call) (answer, error) {
	c.fields.require("endpoint", "since")
	return a.replayOf(c, delivery.ReplayEvents)
}

func (a *API) redrive(c *call) (answer, error) { return a.replayOf(c, delivery.ReplayDead) }

// replayOf starts a replay of either kind. An endpoint receives events of all channels that match its filters, so the
// route requires the right to write deliveries.
func (a *API) replayOf(c *call, do delivery.ReplayKind) (answer, error) {
	spec := delivery.ReplaySpec{
		Do: do, Endpoint: c.fields.text("endpoint"), Channel: c.fields.text("channel"),
		Types: c.fields.texts("types", endpoint.MaxPatterns),
		Since: timeOf(c.fields, "since"), Until: timeOf(c.fields, "until"),
	}
	dry := c.fields.flag("dry_run")
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	if dry {
		n, err := a.Deliveries.CountReplay(c.ctx, c.who.Tenant, spec)
		if err != nil {
			return answer{}, err
		}
		return answer{http.StatusOK, replayCountView{true, n.Count, n.Complete}}, nil
	}
	r, err := a.Deliveries.StartReplay(c.ctx, c.who.Tenant, spec)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusAccepted, viewReplay(r)}, nil
}

// timeOf reads a time as in RFC 3339, zero if it is missing.
func timeOf(f *fields, name string) time.Time {
	if !f.has(name) {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, f.text(name))
	if err != nil {
		f.refuse(name, "must be a time such as 2026-01-02T15:04:05Z")
	}
	return at.UTC()
}

func (a *API) getReplay(c *call) (answer, error) {
	return answerByID(c, tenants.PrefixReplay, http.StatusOK, a.Deliveries.GetReplay, viewReplay)
}

// replayTo sends an event to an endpoint even if the endpoint's filters do not match.
func (a *API) replayTo(c *call, e tenants.Event, endpoint string) (answer, error) {
	if err := a.allow(c, "endpoint:"+endpoint, access.Write); err != nil {
		return answer{}, err
	}
	limits, err := a.Accounts.Limits(c.ctx, c.who.Tenant)
	if err != nil {
		return answer{}, err
	}
	d, err := a.Deliveries.ReplayEvent(c.ctx, c.who.Tenant, e.ID, endpoint, limits.Retention())
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusAccepted, replayedTo{d.ID, d.Endpoint, e.ID}}, nil
}

// replayedTo answers a replay to an endpoint. The delivery can be read once it has been tried.
type replayedTo struct {
	Delivery string `json:"delivery_id"`
	Endpoint string `json:"endpoint_id"`
	ReplayOf string `json:"replay_of"`
}
