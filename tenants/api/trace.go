package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

// instant is a time with milliseconds, whatever they are.
type instant time.Time

func (t instant) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Time(t).UTC().Format("2006-01-02T15:04:05.000Z"))
}

func at(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return new(instant(t.Truncate(time.Millisecond)))
}

type tracedEventView struct {
	ID       string  `json:"id"`
	Channel  string  `json:"channel"`
	Seq      int64   `json:"seq"`
	Type     string  `json:"type"`
	Source   *string `json:"source"`
	Received instant `json:"received_at"`
}

func viewTracedEvent(e *tenants.Event) *tracedEventView {
	return &tracedEventView{e.ID, e.Channel, e.Seq, e.Type, known(e.Source), *at(e.Time)}
}

type traceView struct {
	Event       *tracedEventView `json:"event"`
	Traced      bool             `json:"traced"`
	Hops        []hopView        `json:"hops"`
	NotRecorded []string         `json:"not_recorded"`
	Total       int64            `json:"total_ms"`
}

// hopView is one step. Each sort of hop has members of its own besides the first four.
type hopView struct {
	Hop   string   `json:"hop"`
	At    *instant `json:"at"`                // nil: it happened, and when was not recorded
	Since *int64   `json:"since_previous_ms"` // the hop before it that has a time
	From  string   `json:"known_from"`        // "event", "trace" or "delivery"

	Source       *string          `json:"source,omitempty"`
	DeliveryID   string           `json:"delivery_id,omitempty"`
	Attempt      int              `json:"attempt,omitempty"`
	ReplayOf     string           `json:"replay_of,omitempty"`
	Scheme       string           `json:"scheme,omitempty"`
	Verified     *bool            `json:"verified,omitempty"`
	SignatureAge *float64         `json:"signature_age_seconds,omitempty"`
	SecretID     string           `json:"secret_id,omitempty"`
	Channel      string           `json:"channel,omitempty"`
	Seq          int64            `json:"seq,omitempty"`
	Nodes        *[]string        `json:"nodes,omitempty"`
	Gone         []string         `json:"gone,omitempty"`
	Node         string           `json:"node,omitempty"`
	Until        *instant         `json:"until,omitempty"`
	Subscribers  *int             `json:"subscribers,omitempty"`
	Connections  *int             `json:"connections,omitempty"`
	Replayed     int              `json:"replayed,omitempty"`
	Bytes        *int64           `json:"bytes,omitempty"`
	Reasons      map[string]int   `json:"reasons,omitempty"`
	Hidden       []hiddenView     `json:"hidden,omitempty"`
	Denied       []deniedView     `json:"denied,omitempty"`
	Endpoint     string           `json:"endpoint,omitempty"`
	Delivery     string           `json:"delivery,omitempty"`
	State        string           `json:"state,omitempty"`
	Reason       string           `json:"reason,omitempty"`
	Attempts     []hopAttemptView `json:"attempts,omitempty"`

	order time.Time // where it stands among the others
}

// hiddenView is what was hidden of the event. Rows are those that hide one of the fields now, from whomever.
type hiddenView struct {
	Fields      []string       `json:"fields"`
	Connections int            `json:"connections"`
	Rows        []decidingView `json:"rows"`
}

// deniedView is a connection that lost its right before it had the event, and what denies it now.
type deniedView struct {
	Connection string    `json:"connection"`
	Subject    *string   `json:"subject"`
	Policy     checkView `json:"policy"`
}

type hopAttemptView struct {
	Number  int     `json:"number"`
	At      instant `json:"at"`
	Took    int64   `json:"took_ms"`
	Status  int     `json:"status,omitempty"`
	Failure string  `json:"failure,omitempty"`
}

// traceEvent tells an event's way: what was recorded of it, and what is known without that.
func (a *API) traceEvent(c *call) (answer, error) {
	e, _, err := a.findEvent(c)
	if err != nil {
		return answer{}, err
	}
	hops, err := a.traces.Hops(c.ctx, c.who.Tenant, e.ID)
	if err != nil {
		return answer{}, err
	}
	sent, _, err := a.Deliveries.List(c.ctx, c.who.Tenant, tenants.DeliveryFilter{Event: e.ID}, "", 100)
	if err != nil {
		return answer{}, err
	}
	v := traceView{Event: viewTracedEvent(&e), Traced: e.Trace != nil}
	v.Hops = arrival(&e, hops)
	for _, h := range hops {
		views, err := a.viewHop(c, &e, h)
		if err != nil {
			return answer{}, err
		}
		v.Hops = append(v.Hops, views...)
	}
	for _, d := range sent {
		v.Hops = append(v.Hops, viewSent(d))
	}
	v.NotRecorded = missing(&e, hops)
	v.addUp()
	return answer{http.StatusOK, v}, nil
}

// arrival is what the event itself says of its way into the log.
func arrival(e *tenants.Event, hops []tenants.Hop) []hopView {
	received := hopView{Hop: "received", At: at(e.Time), From: "event", Source: known(e.Source)}
	list := []hopView{received}
	if p := e.Provenance; p != nil {
		list[0].DeliveryID, list[0].Attempt, list[0].ReplayOf = p.DeliveryID, p.Attempt, p.ReplayOf
		if p.Scheme != "" && p.ReplayOf == "" {
			verified := hopView{Hop: "verified", From: "event", Scheme: p.Scheme, Verified: &p.Verified, SecretID: p.SecretID}
			if !p.Signed.IsZero() {
				verified.SignatureAge = new(e.Time.Sub(p.Signed).Seconds())
			}
			list = append(list, verified)
		}
	}
	if mark := e.Trace; mark != nil {
		if last := &list[len(list)-1]; last.Hop == "verified" {
			last.At, last.From = at(mark.Verified), "trace"
		}
		list = append(list, hopView{Hop: "enqueued", At: at(mark.Enqueued), From: "trace"})
	}
	appended := hopView{Hop: "appended", From: "event", Channel: e.Channel, Seq: e.Seq}
	if i := slices.IndexFunc(hops, func(h tenants.Hop) bool { return h.Name == tenants.HopAppended }); i >= 0 {
		appended.At, appended.Until, appended.From = at(hops[i].At), at(hops[i].At.Add(hops[i].Took)), "trace"
	}
	return append(list, appended)
}

// viewHop is what a hop's record shows as.
func (a *API) viewHop(c *call, e *tenants.Event, h tenants.Hop) (list []hopView, err error) {
	switch h.Name {
	case tenants.HopFannedOut:
		nodes := append([]string{}, h.Nodes...)
		return []hopView{{Hop: h.Name, At: at(h.At), From: "trace", Nodes: &nodes, Gone: h.Gone, Until: at(h.At.Add(h.Took))}}, nil
	case tenants.HopWritten:
	default:
		return nil, nil // told by arrival, or a newer release's
	}
	list = append(list, hopView{
		Hop: h.Name, At: at(h.Begin()), From: "trace", Node: h.Node, Until: at(h.At), Subscribers: &h.Subscribers, Connections: &h.Connections, Replayed: h.Replayed,
		Bytes: &h.Bytes,
	})
	if len(h.Cut) > 0 {
		list = append(list, hopView{Hop: "cut", At: at(h.CutAt), From: "trace", Node: h.Node, Reasons: h.Cut})
	}
	filtered := hopView{Hop: "filtered", At: at(h.Begin()), From: "trace", Node: h.Node}
	if len(h.Hidden) > 0 {
		rules, _, err := a.Policies.Policies(c.ctx, c.who.Tenant)
		if err != nil {
			return nil, err
		}
		for _, x := range h.Hidden {
			v := hiddenView{x.Fields, x.Connections, []decidingView{}}
			for _, i := range access.HidingRows(rules, e.Channel, x.Fields) {
				v.Rows = append(v.Rows, decidingView{i, ruleView(rules[i])})
			}
			filtered.Hidden = append(filtered.Hidden, v)
		}
	}
	for _, d := range h.Denied {
		who := tenants.Principal{Tenant: c.who.Tenant, Subject: d.Subject, Roles: d.Roles, Channels: d.Channels}
		x, err := a.Gate.Explain(c.ctx, who, access.Channel(e.Channel), access.Subscribe)
		if err != nil {
			return nil, err
		}
		filtered.Denied = append(filtered.Denied, deniedView{d.Connection, known(d.Subject), viewCheck(x)})
		filtered.At = at(h.CutAt)
	}
	if len(filtered.Hidden)+len(filtered.Denied) > 0 {
		list = append(list, filtered)
	}
	return list, nil
}

func viewSent(d tenants.Delivery) hopView {
	v := hopView{Hop: "delivery", From: "delivery", Endpoint: d.Endpoint, Delivery: d.ID, State: string(d.State), Reason: d.Reason, At: at(d.Began)}
	for i, x := range d.History {
		if i == 0 {
			v.At = at(x.At)
		}
		v.Until = at(x.At.Add(x.Took))
		v.Attempts = append(v.Attempts, hopAttemptView{x.Number, instant(x.At), x.Took.Milliseconds(), x.Status, string(x.Failure)})
	}
	return v
}

// missing names the hops of which nothing was recorded.
func missing(e *tenants.Event, hops []tenants.Hop) []string {
	has := func(name string) bool {
		return slices.ContainsFunc(hops, func(h tenants.Hop) bool { return h.Name == name })
	}
	list := []string{}
	if e.Trace == nil {
		if p := e.Provenance; p != nil && p.Scheme != "" && p.ReplayOf == "" {
			list = append(list, "verified")
		}
		list = append(list, "enqueued")
	}
	if !has(tenants.HopAppended) {
		list = append(list, tenants.HopAppended)
	}
	told, wrote := 0, 0
	for _, h := range hops {
		told += len(h.Nodes)
		if h.Name == tenants.HopWritten {
			wrote++
		}
	}
	if !has(tenants.HopFannedOut) {
		list = append(list, tenants.HopFannedOut)
	}
	if wrote == 0 && (told > 0 || !has(tenants.HopFannedOut)) {
		list = append(list, tenants.HopWritten, "cut", "filtered")
	}
	return list
}

// addUp puts the hops in the order of their times and tells what lies between them. What has no time stays behind what it follows.
func (v *traceView) addUp() {
	var last time.Time
	for i := range v.Hops {
		h := &v.Hops[i]
		if h.At != nil {
			last = time.Time(*h.At)
		}
		h.order = last
	}
	slices.SortStableFunc(v.Hops, func(a, b hopView) int { return a.order.Compare(b.order) })
	var first, before time.Time
	for i := range v.Hops {
		h := &v.Hops[i]
		if h.At == nil {
			continue
		}
		now := time.Time(*h.At)
		if first.IsZero() {
			first, before = now, now
		}
		h.Since = new(now.Sub(before).Milliseconds())
		before = now
	}
	v.Total = before.Sub(first).Milliseconds()
}
