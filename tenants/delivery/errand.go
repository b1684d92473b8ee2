package delivery

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
)

// errand is what a message of the two queues of deliveries asks for. It names things and carries none, so that it stays small and what it
// names is read as it is when it is done.
//
// The queue of what is ready is FIFO with a group for each lane of an endpoint. As many lanes as an endpoint's concurrency: of one lane nobody has more
// than one message in hand, so that the limit holds over all processes without a counter, and what waits for a slow endpoint waits in its own lanes.
// The queue of what waits has no groups. It shows a message when its delay, 15 minutes at most, is over, and whoever sees it sends it on: to wait
// again, or to what is ready. A message that is sent on and not yet done forks; the delivery's count of attempts (Delivery.Attempts) stops all
// but the first at the next attempt.
type errand struct {
	Do       string
	Tenant   tenants.TenantID
	Endpoint string
	Delivery string    `json:",omitempty"`
	Channel  string    `json:",omitempty"`
	Seq      int64     `json:",omitempty"`
	Event    string    `json:",omitempty"`
	Replay   string    `json:",omitempty"`
	Attempt  int       `json:",omitempty"` // the number of the attempt that it is for
	Hop      int64     `json:",omitempty"` // tells messages for the same attempt apart, which the queue would otherwise take for one
	Began    time.Time // of the delivery, for its deadline
	Due      time.Time // not before then
	Wake     int64     `json:",omitempty"` // of a pump: the nap that this message ends, by its end in Unix milliseconds
	Force    bool      `json:",omitempty"` // somebody asked for it: at once, whatever the nap and the endpoint's health
}

// What errands ask for.
const (
	doSend   = "send"   // make an attempt at a delivery
	doPump   = "pump"   // deliver the events of a channel that an ordered endpoint has yet to get, one after the other
	doReplay = "replay" // go on with a replay, named by Delivery
	doResume = "resume" // give an ordered endpoint's channels behind Channel their pumps
)

func decodeErrand(body []byte) (errand, error) {
	var m errand
	err := json.Unmarshal(body, &m)
	if err != nil || !tenants.ValidID(tenants.PrefixTenant, string(m.Tenant)) || m.Do == "" {
		return m, tenants.Errorf(tenants.Internal, "errand_undecodable", "a message is none that this release knows")
	}
	return m, nil
}

// group is the lane that the errand waits in. One channel of an ordered endpoint is always in the same.
func (m errand) group(ep endpoint.Endpoint) string {
	of := m.Event
	if m.Do == doPump || ep.Ordered {
		of = m.Channel
	}
	sum := tenants.HashParts("lane", of)
	return m.Endpoint + "/" + strconv.FormatUint(binary.BigEndian.Uint64(sum[:8])%uint64(ep.Lanes()), 10)
}

// dedupe names the errand: sent twice within five minutes it comes once.
func (m errand) dedupe() string {
	if m.Do == doPump {
		return tenants.DerivedID("", "pump", m.Endpoint, m.Channel, strconv.FormatInt(m.Seq, 10), strconv.FormatInt(m.Wake, 10), strconv.FormatInt(m.Hop, 10))
	}
	return m.Delivery + "/" + strconv.Itoa(m.Attempt) + "/" + strconv.FormatInt(m.Hop, 10)
}

func (m errand) ready(ep endpoint.Endpoint) tenants.Message {
	m.Due = time.Time{}
	return tenants.Message{Group: m.group(ep), Dedupe: m.dedupe(), Body: record.Encode(m)}
}

// waiting is the message that shows the errand again when it is due, or a part of the way there.
func (m errand) waiting(now time.Time) tenants.Message {
	delay := min(max(m.Due.Sub(now), 0)+time.Millisecond, maxDelay).Truncate(time.Millisecond) // rounded up: it is not to come early
	return tenants.Message{Delay: delay, Body: record.Encode(m)}
}

// maxDelay is the longest that a Queue delays a message.
const maxDelay = 15 * time.Minute

// again is the errand for later: another message for the same attempt.
func (m errand) again(due time.Time) errand {
	m.Hop++
	m.Due = due
	return m
}

// wait puts an errand into the queue of what waits.
func (o *Outbox) wait(ctx context.Context, m errand) error {
	return o.Waiting.Send(ctx, m.waiting(time.Now()))
}
