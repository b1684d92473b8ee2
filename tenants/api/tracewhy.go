package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/token"
)

// whyView says why a subject has or has not received an event. Verdict is a code for programs and Detail a sentence
// for people; the other members are the facts behind them.
type whyView struct {
	Verdict     string                  `json:"verdict"`
	Detail      string                  `json:"detail"`
	Hint        string                  `json:"hint,omitempty"`
	Event       *tracedEventView        `json:"event"` // nil: not yet published, or no longer stored
	WrittenAt   *instant                `json:"written_at"`
	Policy      checkView               `json:"policy"`      // whether the subject may subscribe now
	Connections []subjectConnectionView `json:"connections"` // of the subject to the channel, the latest first
	Recorded    bool                    `json:"recorded"`    // connections were recorded when the event was received
	Incomplete  bool                    `json:"incomplete"`  // a node did not answer, or not all records were read
}

// Verdicts.
const (
	notPublished   = "not_published"   // the channel has no event with that number yet
	written        = "written"         // the event was written to a connection
	behind         = "behind"          // a connection is open and has not received the event yet
	cut            = "cut"             // a connection was open and ended before it received the event
	belowFloor     = "below_floor"     // retention or a purge has removed the event
	denied         = "denied"          // the policy denies the subscription now
	connectedLater = "connected_later" // a connection began after the event
	notConnected   = "not_connected"   // there was no connection
	notRecorded    = "not_recorded"    // there is no connection now, and earlier ones were not recorded
)

// whyNot answers why a token's subject did not receive an event.
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
	v := whyView{Policy: viewCheck(x), Connections: []subjectConnectionView{}}
	if x.Allowed {
		v.Policy.Hidden = append(v.Policy.Hidden, x.Hidden.Fields(channel)...)
	}
	tail, err := a.Log.Tail(c.ctx, c.who.Tenant, channel)
	if err != nil {
		return answer{}, err
	}
	if seq > tail {
		v.Verdict = notPublished
		v.Detail = fmt.Sprintf("the channel's last event is number %d; there is no number %d yet", tail, seq)
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
	if err := a.addConnections(c, &v, who.Subject, channel, seq, e); err != nil {
		return answer{}, err
	}
	v.conclude(e)
	return answer{http.StatusOK, v}, nil
}

// whyQuestion reads the subject and the event, which is named by its id or by its channel and number.
func (c *call) whyQuestion() (who tenants.Principal, channel string, seq int64, id string) {
	c.fields.require("subject")
	who = tenants.Principal{Tenant: c.who.Tenant, Roles: c.fields.texts("roles", token.MaxRoles),
		Channels: c.fields.texts("channels", token.MaxChannels)}
	subject := c.fields.text("subject")
	if strings.HasPrefix(subject, "role:") {
		c.fields.refuse("subject", "must be the subject of a token")
	} else {
		c.checkSubject(&who, subject)
	}
	channel, seq, id = c.fields.text("channel"), c.fields.integer("seq", 1, 1<<53), c.fields.text("event")
	switch {
	case id != "":
		c.fields.refuseWith("event", "channel", "seq")
		if !tenants.ValidID(tenants.PrefixEvent, id) {
			c.fields.refuse("event", "must be the id of an event")
		}
	default:
		c.fields.require("channel", "seq")
		if channel != "" && !tenants.ValidChannel(channel) {
			c.fields.refuse("channel", "must be the name of a channel")
		}
	}
	return who, channel, seq, id
}

// refuseWith refuses members that must not be given together with another one.
func (f *fields) refuseWith(one string, others ...string) {
	for _, n := range others {
		if f.has(n) {
			f.refuse(n, "must not be given together with "+one)
		}
	}
}

// conclude sets the verdict and its detail.
func (v *whyView) conclude(e *tenants.Event) {
	var first subjectConnectionView
	if len(v.Connections) > 0 {
		first = v.Connections[0]
	}
	switch best := first.Verdict; {
	case best == written:
		v.Verdict, v.Detail = written, "connection "+first.ID+" received the event"
		if e != nil && e.Type != "message" {
			v.Hint = "an EventSource passes an event with a type only to listeners for that type, never to " +
				"onmessage; with ?types=off all events are messages"
		}
	case e == nil:
		v.Verdict, v.Detail = belowFloor,
			"retention or a purge has removed the event; a reader that asks for it receives a hookcast.gap"
	case best == behind && v.Policy.Allowed:
		v.Verdict, v.Detail = behind, "connection "+first.ID+
			" is open and has not received the event yet: it is slow, or still reading earlier events"
	case best == cut:
		v.Verdict, v.Detail = cut, "connection "+first.ID+" ended ("+*first.Reason+
			") before it received the event, and no connection has resumed from its cursor"
	case !v.Policy.Allowed:
		v.Verdict, v.Detail = denied, "the subject cannot subscribe to the channel now: "+v.Policy.Explains
	case best == connectedLater:
		v.Verdict, v.Detail = connectedLater, "connection "+
			first.ID+" began after the event: it was opened later and without an older cursor"
	case v.Recorded && !v.Incomplete && best != notRecorded:
		v.Verdict, v.Detail = notConnected, "the subject had no connection to the channel when the event was "+
			"published, and has not asked for it since"
	default:
		v.Verdict, v.Detail = notRecorded, "the subject has no connection to the channel now; whether it had one "+
			"when the event was published was not recorded"
	}
}
