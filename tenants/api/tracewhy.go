package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/token"
)

// whyView says why somebody has, or has not, got an event. Verdict is a word for programs, Detail a sentence for people, and the rest is what they
// are drawn from.
type whyView struct {
	Verdict     string           `json:"verdict"`
	Detail      string           `json:"detail"`
	Hint        string           `json:"hint,omitempty"`
	Event       *tracedEventView `json:"event"` // nil: it is not published yet, or cannot be read any more
	WrittenAt   *instant         `json:"written_at"`
	Policy      checkView        `json:"policy"`      // whether the subject may listen now
	Connections []witnessView    `json:"connections"` // of the subject to the channel, the latest first
	Recorded    bool             `json:"recorded"`    // comings and goings were recorded when the event came
	Incomplete  bool             `json:"incomplete"`  // some node did not answer, or there is more than was looked at
}

// Verdicts, from the plainest on.
const (
	notPublished   = "not_published"   // the channel has not come so far
	written        = "written"         // a connection was given it
	behind         = "behind"          // a connection is open, and has not taken it yet
	cut            = "cut"             // a connection was open, and ended before it was given the event
	belowFloor     = "below_floor"     // retention or a purge has taken it away
	denied         = "denied"          // the policy denies it now
	connectedLater = "connected_later" // a connection began behind it
	notConnected   = "not_connected"   // nobody was there
	notRecorded    = "not_recorded"    // nobody is there now, and whether somebody was then was not recorded
)

// witnessView is a connection of the subject, open or recorded, and what it says about the event.
type witnessView struct {
	ID        string   `json:"id"`
	Transport string   `json:"transport"`
	Opened    *instant `json:"opened_at"`
	Ended     *instant `json:"ended_at"`
	Reason    *string  `json:"ended"`
	From      *int64   `json:"from"`     // the number it began behind
	Position  *int64   `json:"position"` // the number that it was given last
	Verdict   string   `json:"verdict"`

	node string
}

// witness is what is known of a connection. Positions are -1 where they are not known.
type witness struct {
	id, transport, node string
	opened, ended       time.Time
	began               bool // its coming was recorded
	from, at            int64
	why                 string
}

// says is what the connection says about the event seq, which was appended at a time.
func (x witness) says(seq int64, appended time.Time) string {
	later := x.opened.After(appended) && x.from < 0
	switch {
	case x.from >= seq, later && x.began: // it had no cursor, and was gone before it was known where it begins
		return connectedLater
	case later && x.at >= seq:
		return notRecorded
	case x.at >= seq:
		return written
	case x.ended.IsZero():
		return behind
	case x.ended.Before(appended):
		return notConnected
	}
	return cut
}

const (
	witnessesShown  = 20
	connectionsRead = 10_000
	connectionsPage = 900
)

// whyNot answers why a token's subject did not get an event.
func (a *API) whyNot(c *call) (answer, error) {
	who, channel, seq, id := c.whyQuestion()
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	limits, err := a.Accounts.Limits(c.ctx, c.who.Tenant)
	if err != nil {
		return answer{}, err
	}
	if id != "" {
		e, err := a.Log.Event(c.ctx, c.who.Tenant, id, tenants.Retention{})
		if err != nil {
			return answer{}, err
		}
		channel, seq = e.Channel, e.Seq
	}
	if err := a.allow(c, access.Channel(channel), access.Read); err != nil {
		return answer{}, err
	}
	x, err := a.Gate.Explain(c.ctx, who, access.Channel(channel), access.Subscribe)
	if err != nil {
		return answer{}, err
	}
	v := whyView{Policy: viewCheck(x), Connections: []witnessView{}}
	if x.Allowed {
		v.Policy.Hidden = append(v.Policy.Hidden, x.Hidden.Fields(channel)...)
	}
	tail, err := a.Log.Tail(c.ctx, c.who.Tenant, channel)
	if err != nil {
		return answer{}, err
	}
	if seq > tail {
		v.Verdict = notPublished
		v.Detail = "The channel's last event is number " + strconv.FormatInt(tail, 10) + "; there is no number " + strconv.FormatInt(seq, 10) + " yet."
		return answer{http.StatusOK, v}, nil
	}
	page, err := a.Log.Read(c.ctx, c.who.Tenant, channel, seq-1, 1, limits.Retention())
	if err != nil {
		return answer{}, err
	}
	var e *tenants.Event
	if len(page.Events) > 0 && page.Events[0].Seq == seq {
		e = &page.Events[0]
		v.Event = viewTracedEvent(e)
	}
	if err := a.testify(c, &v, who.Subject, channel, seq, e); err != nil {
		return answer{}, err
	}
	v.conclude(e)
	return answer{http.StatusOK, v}, nil
}

// whyQuestion reads who did not get what: an event by its id, or by its channel and number.
func (c *call) whyQuestion() (who tenants.Principal, channel string, seq int64, id string) {
	c.fields.require("subject")
	who = tenants.Principal{Tenant: c.who.Tenant, Roles: c.fields.texts("roles", token.MaxRoles), Channels: c.fields.texts("channels", token.MaxChannels)}
	subject := c.fields.text("subject")
	if strings.HasPrefix(subject, "role:") {
		c.fields.refuse("subject", "must be the subject of a token")
	} else {
		c.checkSubject(&who, subject)
	}
	channel, seq, id = c.fields.text("channel"), c.fields.integer("seq", 1, 1<<53), c.fields.text("event")
	switch {
	case id != "":
		c.fields.readOnlyWith("event", "channel", "seq")
		if !tenants.ValidID(tenants.PrefixEvent, id) {
			c.fields.refuse("event", "must be an event's id")
		}
	default:
		c.fields.require("channel", "seq")
		if channel != "" && !tenants.ValidChannel(channel) {
			c.fields.refuse("channel", "must be a channel's name")
		}
	}
	return who, channel, seq, id
}

// readOnlyWith refuses members that another one makes superfluous.
func (f *fields) readOnlyWith(one string, others ...string) {
	for _, n := range others {
		if f.has(n) {
			f.refuse(n, "must not be there beside "+one)
		}
	}
}

// testify collects what connections say: those that are open, and those that were recorded.
func (a *API) testify(c *call, v *whyView, subject, channel string, seq int64, e *tenants.Event) error {
	now := time.Now()
	tenant, err := a.Accounts.Get(c.ctx, c.who.Tenant)
	if err != nil {
		return err
	}
	appended := now.Add(-24 * time.Hour) // where the event is gone: whoever ended since may have been there
	var hops []tenants.Hop
	if e != nil {
		appended = e.Time
		if hops, err = a.traces.Hops(c.ctx, c.who.Tenant, e.ID); err != nil {
			return err
		}
		for _, h := range hops {
			if h.Name == tenants.HopAppended {
				appended = h.At.Add(h.Took)
			}
		}
		v.Recorded = e.Trace != nil || tenant.Tracing.On(e.Time) && !e.Time.Before(tenant.Tracing.Since)
	}
	found, incomplete, err := a.witnesses(c.ctx, c.who.Tenant, subject, channel, now)
	if err != nil {
		return err
	}
	v.Incomplete = incomplete
	slices.SortFunc(found, func(a, b witness) int { return cmp.Or(b.opened.Compare(a.opened), strings.Compare(a.id, b.id)) })
	for _, x := range found {
		w := witnessView{ID: x.id, Transport: x.transport, Opened: at(x.opened), Ended: at(x.ended), Reason: known(x.why), From: number(x.from), Position: number(x.at),
			Verdict: x.says(seq, appended), node: x.node}
		v.Connections = append(v.Connections, w)
	}
	rank := []string{written, behind, cut, notRecorded, connectedLater, notConnected}
	slices.SortStableFunc(v.Connections, func(a, b witnessView) int { return slices.Index(rank, a.Verdict) - slices.Index(rank, b.Verdict) })
	if len(v.Connections) > 0 && v.Connections[0].Verdict == written {
		v.WrittenAt = writtenAt(hops, v.Connections[0].node)
	}
	v.Connections = v.Connections[:min(len(v.Connections), witnessesShown)]
	return nil
}

// writtenAt is when a node wrote the event first; of an open connection the node is not known, and the first of all stands for it.
func writtenAt(hops []tenants.Hop, node string) *instant {
	for _, h := range hops {
		if h.Name == tenants.HopWritten && h.Connections > 0 && (node == "" || node == h.Node) {
			return at(h.Begin())
		}
	}
	return nil
}

func number(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

// witnesses are the subject's connections to the channel, open and recorded.
func (a *API) witnesses(ctx context.Context, t tenants.TenantID, subject, channel string, now time.Time) (list []witness, incomplete bool, err error) {
	known := make(map[string]*witness)
	of := func(id string) *witness {
		x := known[id]
		if x == nil {
			x = &witness{id: id, from: -1, at: -1}
			known[id] = x
		}
		return x
	}
	sessions, whole, err := a.traces.Sessions(ctx, t, subject, now.Add(-24*time.Hour))
	if err != nil {
		return nil, false, err
	}
	incomplete = !whole
	for _, s := range sessions {
		i := slices.Index(s.Channels, channel)
		if i < 0 || i >= len(s.Positions) {
			continue
		}
		x := of(s.Connection)
		x.transport, x.node, x.opened = s.Transport, s.Node, s.Opened
		if s.Ended == "" {
			x.began, x.from = true, s.Positions[i]
		} else {
			x.ended, x.why, x.at = s.At, s.Ended, s.Positions[i]
		}
	}
	open := make(map[string]bool)
	for after, read := "", 0; ; {
		page, err := a.Connections.List(ctx, t, after, connectionsPage)
		if err != nil {
			return nil, false, err
		}
		incomplete = incomplete || page.Missing > 0
		for _, conn := range page.Connections {
			i := slices.Index(conn.Channels, channel)
			if i < 0 || conn.Principal == nil || conn.Principal.Subject != subject {
				continue
			}
			open[conn.ID] = true
			x := of(conn.ID)
			if x.transport, x.opened = conn.Transport, conn.Since; !x.ended.IsZero() {
				continue // it has ended since
			}
			if positions, err := tenants.ParseCursor(conn.Cursor, conn.Channels); err == nil && conn.Cursor != "" {
				x.at = positions[i]
			}
		}
		read += len(page.Connections)
		if after = page.Next; after == "" || read >= connectionsRead {
			incomplete = incomplete || after != ""
			break
		}
	}
	for id, x := range known {
		if x.ended.IsZero() && !open[id] { // its end was not recorded, or its node is silent
			incomplete = true
			continue
		}
		list = append(list, *x)
	}
	return list, incomplete, nil
}

// conclude gives the verdict.
func (v *whyView) conclude(e *tenants.Event) {
	best := ""
	if len(v.Connections) > 0 {
		best = v.Connections[0].Verdict
	}
	switch first := func() witnessView { return v.Connections[0] }; {
	case best == written:
		v.Verdict, v.Detail = written, "Connection "+first().ID+" was given the event."
		if e != nil && e.Type != "message" {
			v.Hint = "An EventSource hands an event of a type to listeners of that type alone, and never to onmessage; with ?types=off it comes as a message."
		}
	case e == nil:
		v.Verdict, v.Detail = belowFloor, "Retention or a purge has taken the event away: who asks for it gets a hookcast.gap."
	case best == behind && v.Policy.Allowed:
		v.Verdict, v.Detail = behind, "Connection "+first().ID+" is open and has not taken the event yet: it is slow, or still reading what came before."
	case best == cut:
		v.Verdict, v.Detail = cut, "Connection "+first().ID+" ended ("+*first().Reason+") before it was given the event, and nobody came back with its cursor."
	case !v.Policy.Allowed:
		v.Verdict, v.Detail = denied, "The subject may not subscribe to the channel now. "+v.Policy.Explains
	case best == connectedLater:
		v.Verdict, v.Detail = connectedLater, "Connection "+first().ID+" began behind the event: it came later and without an older cursor."
	case v.Recorded && !v.Incomplete && best != notRecorded:
		v.Verdict, v.Detail = notConnected, "The subject had no connection to the channel when the event came, and has not come back for it."
	default:
		v.Verdict, v.Detail = notRecorded, "The subject has no connection to the channel now; whether it had one when the event came was not recorded."
	}
}
