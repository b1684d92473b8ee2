package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/projection"
)

// listAllEvents lists events of all channels that the caller may read. It skips events in the index that are no
// longer stored or that the caller may not read, so an answer can have fewer events than the limit, or none, and
// still have a cursor.
func (a *API) listAllEvents(c *call) (answer, error) {
	p, err := a.page(c)
	if err != nil {
		return answer{}, err
	}
	q, err := indexQuery(c.query)
	if err != nil {
		return answer{}, err
	}
	retention, hidden, err := a.shown(c)
	if err != nil {
		return answer{}, err
	}
	oldest := time.Now().Add(-time.Duration(retention.Seconds) * time.Second)
	if retention.Seconds > 0 && q.From.Before(oldest) {
		q.From = oldest.Truncate(time.Second) // older events are not shown, so the list ends here
	}
	named, next, err := a.Index.List(c.ctx, c.who.Tenant, q, p.after, p.limit)
	if err != nil {
		return answer{}, err
	}
	readable, err := a.readable(c, named)
	if err != nil {
		return answer{}, err
	}
	events, of, err := a.Log.Shown(c.ctx, c.who.Tenant, readable, retention)
	if err != nil {
		return answer{}, err
	}
	if of < len(readable) {
		next = readable[of-1].Position()
	}
	views := make([]json.RawMessage, 0, len(events))
	for i := range events {
		views = append(views, viewEvent(c, &events[i], hidden))
	}
	return a.listOf(c, views, next), nil
}

// readable returns the events in channels that the caller may read.
func (a *API) readable(c *call, named []tenants.EventRef) (list []tenants.EventRef, err error) {
	may := make(map[string]bool)
	for _, n := range named {
		if _, asked := may[n.Channel]; !asked {
			if may[n.Channel], err = a.Gate.Allow(c.ctx, c.who, access.Channel(n.Channel), access.Read); err != nil {
				return nil, err
			}
		}
		if may[n.Channel] {
			list = append(list, n)
		}
	}
	return list, nil
}

// indexQuery reads the parameters that narrow the list.
func indexQuery(query url.Values) (q projection.IndexQuery, err error) {
	f := filters{query: query}
	q.Channel = f.text("channel", "the name of a channel", tenants.ValidChannel)
	q.Source = f.id("source", "the id of a source", tenants.PrefixSource)
	q.Type = f.text("type", "an event type", func(name string) bool { return tenants.CheckType(name) == nil })
	isFlag := func(value string) bool { return value == "true" || value == "false" }
	if duplicate := f.text("duplicate", "true or false", isFlag); duplicate != "" {
		q.Duplicate = new(duplicate == "true")
	}
	q.From, q.To = f.time("from"), f.time("to")
	return q, f.err
}

// replayEvent copies an event to a channel, which can be its own, or sends it to an endpoint.
func (a *API) replayEvent(c *call) (answer, error) {
	e, hidden, err := a.findEvent(c)
	if err != nil {
		return answer{}, err
	}
	channel, endpoint := c.fields.text("channel"), c.fields.text("endpoint")
	if c.fields.has("endpoint") {
		if c.fields.has("channel") {
			c.fields.refuse("channel", "must not be given together with endpoint")
		}
	} else {
		c.fields.require("channel")
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	if len(hidden.Fields(e.Channel)) > 0 { // the copy would show the caller the hidden fields in another channel
		return answer{}, tenants.Errorf(tenants.Forbidden, "event_has_hidden_fields",
			"the policy hides fields of this channel from the caller, who therefore must not copy its events")
	}
	if endpoint != "" {
		return a.replayTo(c, e, endpoint)
	}
	if tenants.ValidChannel(channel) { // Replay refuses an invalid name with a better error
		if err := a.allow(c, access.Channel(channel), access.Publish); err != nil {
			return answer{}, err
		}
	}
	accepted, err := a.Publisher.Replay(c.ctx, e, channel)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusAccepted, replayedView{accepted.ID, accepted.Channel, e.ID}}, nil
}

// replayedView answers a replay. The copy is durable, but its number is not yet known.
type replayedView struct {
	ID       string `json:"id"`
	Channel  string `json:"channel"`
	ReplayOf string `json:"replay_of"`
}
