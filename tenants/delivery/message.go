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

// message is an outbox message: the body, in JSON, of a message of either queue. It asks for one piece of work.
type message struct {
	Do       string
	Tenant   tenants.TenantID
	Endpoint string
	Delivery string    `json:",omitempty"` // of doReplay: the replay
	Channel  string    `json:",omitempty"`
	Seq      int64     `json:",omitempty"`
	Event    string    `json:",omitempty"`
	Replay   string    `json:",omitempty"`
	Attempt  int       `json:",omitempty"` // the number of the attempt to make; of doReplay: the page
	Hop      int64     `json:",omitempty"` // makes messages for the same attempt distinct for the queue's deduplication
	Began    time.Time // of the delivery, for its deadline
	Due      time.Time // not before then
	Wake     int64     `json:",omitempty"` // of doChannel: the end, in Unix milliseconds, of the pause that it ends
	Force    bool      `json:",omitempty"` // a person asked for it: ignore the pause and the endpoint's health
}

// The values of message.Do, as stored in queues.
const (
	doSend    = "send"   // make an attempt at a delivery
	doChannel = "pump"   // deliver the rest of a channel to an ordered endpoint, one event after the other
	doReplay  = "replay" // continue a replay
	doResume  = "resume" // send doChannel for the channels after Channel of an ordered endpoint
)

func decodeMessage(body []byte) (message, error) {
	var m message
	err := json.Unmarshal(body, &m)
	if err != nil || !tenants.ValidID(tenants.PrefixTenant, string(m.Tenant)) || m.Do == "" {
		return m, tenants.Errorf(tenants.Internal, "errand_undecodable", "the body is not an outbox message")
	}
	return m, nil
}

// group returns the message's lane. A channel of an ordered endpoint always has the same one.
func (m message) group(ep endpoint.Endpoint) string {
	of := m.Event
	if m.Do == doChannel || ep.Ordered {
		of = m.Channel
	}
	sum := tenants.HashParts("lane", of)
	return m.Endpoint + "/" + strconv.FormatUint(binary.BigEndian.Uint64(sum[:8])%uint64(ep.Lanes()), 10)
}

// dedupe returns the message's name: the queue drops a second message of the same name within five minutes.
func (m message) dedupe() string {
	hop := strconv.FormatInt(m.Hop, 10)
	if m.Do == doChannel {
		seq, wake := strconv.FormatInt(m.Seq, 10), strconv.FormatInt(m.Wake, 10)
		return tenants.DerivedID("", "pump", m.Endpoint, m.Channel, seq, wake, hop)
	}
	return m.Delivery + "/" + strconv.Itoa(m.Attempt) + "/" + hop
}

// ready returns the message for the ready queue.
func (m message) ready(ep endpoint.Endpoint) tenants.Message {
	m.Due = time.Time{}
	return tenants.Message{Group: m.group(ep), Dedupe: m.dedupe(), Body: record.Encode(m)}
}

// waiting returns the message for the waiting queue, which shows it when it is due or after the longest delay.
func (m message) waiting(now time.Time) tenants.Message {
	// rounded up: never early
	delay := min(max(m.Due.Sub(now), 0)+time.Millisecond, maxDelay).Truncate(time.Millisecond)
	return tenants.Message{Delay: delay, Body: record.Encode(m)}
}

// maxDelay is the longest time for which a Queue delays a message.
const maxDelay = 15 * time.Minute

// again returns the message for the same work later.
func (m message) again(due time.Time) message {
	m.Hop++
	m.Due = due
	return m
}

// delivery returns a delivery of an event of type typ that m is to make the first attempt at.
func (m message) delivery(typ string) Delivery {
	return Delivery{
		ID: m.Delivery, Tenant: m.Tenant, Endpoint: m.Endpoint, Event: m.Event, Channel: m.Channel, Seq: m.Seq,
		Type:   typ,
		Replay: m.Replay, State: Pending, Began: m.Began,
	}
}

// wait sends m to the waiting queue.
func (o *Outbox) wait(ctx context.Context, m message) error {
	return o.Waiting.Send(ctx, m.waiting(time.Now()))
}

// sendReady sends messages, if there are any, to the ready queue.
func (o *Outbox) sendReady(ctx context.Context, ms ...tenants.Message) error {
	if len(ms) == 0 {
		return nil
	}
	return o.Ready.Send(ctx, ms...)
}
