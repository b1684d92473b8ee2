package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/trace"
)

// instant is a time that is encoded with exactly three digits of milliseconds.
type instant time.Time

func (t instant) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Time(t).UTC().Format("2006-01-02T15:04:05.000Z"))
}

func instantOf(t time.Time) *instant {
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
	return &tracedEventView{e.ID, e.Channel, e.Seq, e.Type, nullable(e.Source), *instantOf(e.Time)}
}

type traceView struct {
	Event       *tracedEventView `json:"event"`
	Traced      bool             `json:"traced"`
	Hops        []hopView        `json:"hops"`
	NotRecorded []string         `json:"not_recorded"`
	Total       int64            `json:"total_ms"`
}

// hopView is one step of an event's way. The members after the first four depend on the kind of step.
type hopView struct {
	Hop   string   `json:"hop"`
	At    *instant `json:"at"`                // nil: the step happened at an unrecorded time
	Since *int64   `json:"since_previous_ms"` // since the previous step that has a time
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

	order time.Time // sort key
}

// hiddenView names fields that were hidden from some connections. Rows are the rows that now hide one of the fields,
// for any subject.
type hiddenView struct {
	Fields      []string       `json:"fields"`
	Connections int            `json:"connections"`
	Rows        []decidingView `json:"rows"`
}

// deniedView is a connection that lost its right before it received the event, with the rule that denies it now.
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

// traceEvent answers with the steps of an event: the recorded ones and those known without tracing.
func (a *API) traceEvent(c *call) (answer, error) {
	e, _, err := a.findEvent(c)
	if err != nil {
		return answer{}, err
	}
	hops, err := a.traces.Steps(c.ctx, c.who.Tenant, e.ID)
	if err != nil {
		return answer{}, err
	}
	sent, _, err := a.Deliveries.List(c.ctx, c.who.Tenant, delivery.Filter{Event: e.ID}, "", 100)
	if err != nil {
		return answer{}, err
	}
	v := traceView{Event: viewTracedEvent(&e), Traced: e.Trace != nil}
	v.Hops = arrivalHops(&e, hops)
	for _, h := range hops {
		views, err := a.viewHop(c, &e, h)
		if err != nil {
			return answer{}, err
		}
		v.Hops = append(v.Hops, views...)
	}
	for _, d := range sent {
		v.Hops = append(v.Hops, viewDeliveryHop(d))
	}
	v.NotRecorded = missingHops(&e, hops)
	v.sortHops()
	return answer{http.StatusOK, v}, nil
}

// arrivalHops returns the steps until the event is in the log, most of them from the event itself.
func arrivalHops(e *tenants.Event, hops []trace.Step) []hopView {
	received := hopView{Hop: "received", At: instantOf(e.Time), From: "event", Source: nullable(e.Source)}
	list := []hopView{received}
	if p := e.Provenance; p != nil {
		list[0].DeliveryID, list[0].Attempt, list[0].ReplayOf = p.DeliveryID, p.Attempt, p.ReplayOf
		if p.Scheme != "" && p.ReplayOf == "" {
			verified := hopView{Hop: "verified", From: "event", Scheme: p.Scheme, Verified: &p.Verified,
				SecretID: p.SecretID}
			if !p.Signed.IsZero() {
				verified.SignatureAge = new(e.Time.Sub(p.Signed).Seconds())
			}
			list = append(list, verified)
		}
	}
	if mark := e.Trace; mark != nil {
		if last := &list[len(list)-1]; last.Hop == "verified" {
			last.At, last.From = instantOf(mark.Verified), "trace"
		}
		list = append(list, hopView{Hop: "enqueued", At: instantOf(mark.Enqueued), From: "trace"})
	}
	appended := hopView{Hop: "appended", From: "event", Channel: e.Channel, Seq: e.Seq}
	if i := slices.IndexFunc(hops, func(h trace.Step) bool { return h.Name == trace.StepAppended }); i >= 0 {
		h := hops[i]
		appended.At, appended.Until, appended.From = instantOf(h.At), instantOf(h.At.Add(h.Took)), "trace"
	}
	return append(list, appended)
}

// viewHop returns the steps that a recorded hop stands for.
func (a *API) viewHop(c *call, e *tenants.Event, h trace.Step) (list []hopView, err error) {
	switch h.Name {
	case trace.StepFannedOut:
		nodes := append([]string{}, h.Nodes...)
		return []hopView{{Hop: h.Name, At: instantOf(h.At), From: "trace", Nodes: &nodes, Gone: h.Gone,
			Until: instantOf(h.At.Add(h.Took))}}, nil
	case trace.StepWritten:
	default:
		return nil, nil // shown by arrivalHops, or of a newer release
	}
	list = append(list, hopView{
		Hop: h.Name, At: instantOf(h.Begin()), From: "trace", Node: h.Node, Until: instantOf(h.At),
		Subscribers: &h.Subscribers, Connections: &h.Connections, Replayed: h.Replayed,
		Bytes: &h.Bytes,
	})
	if len(h.Cut) > 0 {
		list = append(list, hopView{Hop: "cut", At: instantOf(h.CutAt), From: "trace", Node: h.Node, Reasons: h.Cut})
	}
	filtered := hopView{Hop: "filtered", At: instantOf(h.Begin()), From: "trace", Node: h.Node}
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
		filtered.Denied = append(filtered.Denied, deniedView{d.Connection, nullable(d.Subject), viewCheck(x)})
		filtered.At = instantOf(h.CutAt)
	}
	if len(filtered.Hidden)+len(filtered.Denied) > 0 {
		list = append(list, filtered)
	}
	return list, nil
}

func viewDeliveryHop(d delivery.Delivery) hopView {
	v := hopView{Hop: "delivery", From: "delivery", Endpoint: d.Endpoint, Delivery: d.ID, State: string(d.State),
		Reason: d.Reason, At: instantOf(d.Began)}
	for i, x := range d.History {
		if i == 0 {
			v.At = instantOf(x.At)
		}
		v.Until = instantOf(x.At.Add(x.Took))
		took := x.Took.Milliseconds()
		v.Attempts = append(v.Attempts, hopAttemptView{x.Number, instant(x.At), took, x.Status, string(x.Failure)})
	}
	return v
}

// missingHops names the steps without a record.
func missingHops(e *tenants.Event, hops []trace.Step) []string {
	has := func(name string) bool {
		return slices.ContainsFunc(hops, func(h trace.Step) bool { return h.Name == name })
	}
	list := []string{}
	if e.Trace == nil {
		if p := e.Provenance; p != nil && p.Scheme != "" && p.ReplayOf == "" {
			list = append(list, "verified")
		}
		list = append(list, "enqueued")
	}
	if !has(trace.StepAppended) {
		list = append(list, trace.StepAppended)
	}
	told, wrote := 0, 0
	for _, h := range hops {
		told += len(h.Nodes)
		if h.Name == trace.StepWritten {
			wrote++
		}
	}
	if !has(trace.StepFannedOut) {
		list = append(list, trace.StepFannedOut)
	}
	if wrote == 0 && (told > 0 || !has(trace.StepFannedOut)) {
		list = append(list, trace.StepWritten, "cut", "filtered")
	}
	return list
}

// sortHops sorts the steps by time and computes the time between them. A step without a time stays after its
// predecessor.
func (v *traceView) sortHops() {
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
