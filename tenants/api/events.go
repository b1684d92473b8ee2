package api

import (
	"net/http"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/hidden"
	"github.com/hookcast/hookcast/tenants/intake"
)

// publishedView answers a publish. The event is durable, but its number is not yet known.
type publishedView struct {
	ID          string `json:"id"`
	Channel     string `json:"channel"`
	Subscribers int    `json:"subscribers"`
	Left        *bool  `json:"client_disconnected,omitempty"`
	Duplicate   bool   `json:"duplicate,omitempty"`
}

func (a *API) publish(c *call) (answer, error) {
	name := c.r.PathValue("channel")
	c.fields.require("type", "data")
	c.fields.readOnly("seq", "channel", "time", "source")
	p := intake.Publication{Channel: name, Type: c.fields.text("type"), Data: c.fields.raw("data"),
		ContentType: "application/json", Hops: tenants.HopsOf(c.r.Header),
		ID: c.fields.text("id"), End: c.fields.flag("end")}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	accepted, err := a.Publisher.Publish(c.ctx, c.who.Tenant, p)
	if err != nil {
		return answer{}, err
	}
	status := http.StatusAccepted
	if accepted.Duplicate {
		status = http.StatusOK
	}
	view := publishedView{ID: accepted.ID, Channel: accepted.Channel,
		Subscribers: a.Subscribers(c.ctx, c.who.Tenant, name), Duplicate: accepted.Duplicate}
	if tenants.BoundChannel(name) && a.Left != nil {
		view.Left = new(view.Subscribers == 0 && a.Left(c.ctx, c.who.Tenant, name))
	}
	return answer{status, view}, nil
}

// findEvent returns the event with the id in the path and the fields that are hidden from the caller. Its channel is
// known only after the read, so a caller who may not read the channel gets the same answer as for an unknown event.
func (a *API) findEvent(c *call) (e tenants.Event, hidden hidden.Hidden, err error) {
	id, err := c.id("id", tenants.PrefixEvent)
	if err != nil {
		return e, hidden, err
	}
	limits, err := a.Accounts.Limits(c.ctx, c.who.Tenant)
	if err != nil {
		return e, hidden, err
	}
	if e, err = a.Log.Event(c.ctx, c.who.Tenant, id, limits.Retention()); err != nil {
		return e, hidden, err
	}
	if err := a.allow(c, access.Channel(e.Channel), access.Read); err != nil {
		if tenants.KindOf(err) == tenants.Forbidden {
			err = absent(tenants.PrefixEvent)
		}
		return e, hidden, err
	}
	hidden, err = a.Gate.Hidden(c.ctx, c.who)
	return e, hidden, err
}

func (a *API) getEvent(c *call) (answer, error) {
	e, hidden, err := a.findEvent(c)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewWholeEvent(c, &e, hidden)}, nil
}

// getPayload answers with an event's payload, unchanged except that hidden fields are removed. The content and its
// type come from a third party, so the headers make browsers download it and never render it.
func (a *API) getPayload(c *call) (answer, error) {
	e, hidden, err := a.findEvent(c)
	if err != nil {
		return answer{}, err
	}
	seen := hidden.View(&e)
	return answer{http.StatusOK, download{seen.ID, seen.ContentType, seen.Data}}, nil
}
