package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
)

// subscriber listens as an EventSource does: when its connection ends, it reconnects with the id of the last event
// that it got. It does not know which nodes are in trouble; as with a load balancer it reaches any node that answers.
type subscriber struct {
	s        *storm
	name     string
	tenant   string
	token    string
	channels []string
	roams    bool // it leaves now and then on its own
	chaos    *rand.Rand
	began    sync.Once
	begun    chan struct{} // closed once it was connected

	mu    sync.Mutex
	lines map[string]*line // by channel
}

func (s *storm) subscriber(name, tenant, token string, roams bool, seed uint64, channels ...string) *subscriber {
	sub := &subscriber{
		s: s, name: name, tenant: tenant, token: token, channels: channels, roams: roams,
		chaos: rand.New(rand.NewPCG(seed, 0xc1)),
		begun: make(chan struct{}), lines: make(map[string]*line),
	}
	for _, c := range channels {
		sub.lines[tenant+"/"+c] = &line{subscriber: name, channel: tenant + "/" + c}
	}
	return sub
}

// run listens until ctx ends.
func (sub *subscriber) run(ctx context.Context) {
	cursor, since := "", time.Now()
	if len(sub.channels) == 1 {
		cursor = "0"
	}
	for node := sub.chaos.IntN(stormNodes); ctx.Err() == nil; node = (node + 1) % stormNodes {
		staying, leave := context.WithCancel(ctx)
		if sub.roams {
			staying, leave = context.WithTimeout(ctx, time.Duration(2+sub.chaos.IntN(8))*time.Second)
		}
		cursor = sub.listen(staying, sub.s.node(node), cursor, since)
		left := staying.Err() != nil
		leave()
		pause := time.Duration(50+sub.chaos.IntN(250)) * time.Millisecond
		if left {
			pause = time.Duration(sub.chaos.IntN(3000)) * time.Millisecond
		}
		sleep(ctx, pause)
		if left {
			since = time.Now()
		}
	}
}

// listen listens on one connection until it ends, and returns the cursor to reconnect with.
func (sub *subscriber) listen(ctx context.Context, d endtoend.Deployment, cursor string, since time.Time) string {
	d.HTTP = sub.s.patient
	var q url.Values
	if len(sub.channels) > 1 {
		q = url.Values{"format": {"cloudevents"}} // this format contains the channel
	}
	stream, res, err := d.Subscribe(ctx, sub.token, cursor, q, sub.channels...)
	if err != nil {
		return cursor
	}
	defer stream.Close()
	if res.StatusCode != 200 {
		if res.StatusCode < 500 {
			sub.s.violation("%s was answered %s", sub.name, res.Status)
		}
		return cursor
	}
	for {
		f, err := stream.Next()
		if err != nil {
			return stream.Cursor
		}
		switch f.Event {
		case "hookcast.open":
			sub.began.Do(func() { close(sub.begun) })
		case "hookcast.heartbeat", "hookcast.goodbye", "hookcast.quota":
		case "push":
			sub.take(f, since)
		default: // a gap, an end or a refusal, without any reason
			sub.s.violation("%s got an unexpected %+v", sub.name, f)
		}
	}
}

// take records an event.
func (sub *subscriber) take(f endtoend.Frame, since time.Time) {
	got := receipt{at: time.Now(), since: since}
	channel, body, number := sub.tenant+"/"+sub.channels[0], []byte(f.Data), f.ID
	var err error
	if len(sub.channels) > 1 {
		var e struct {
			Subject, Sequence string
			Data              json.RawMessage
		}
		err = json.Unmarshal(body, &e)
		channel, body, number = sub.tenant+"/"+e.Subject, e.Data, e.Sequence
	}
	if err == nil {
		got.seq, err = strconv.ParseInt(number, 10, 64)
	}
	if err == nil {
		err = json.Unmarshal(body, &got.posted)
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	l := sub.lines[channel]
	if err != nil || l == nil {
		sub.s.violation("%s got %+v: %v", sub.name, f, err)
		return
	}
	l.receipts = append(l.receipts, got)
}

// has reports whether each line has at least as many events as n says for its channel.
func (sub *subscriber) has(n map[string]int) bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	for _, l := range sub.lines {
		if len(l.receipts) < n[l.channel] {
			return false
		}
	}
	return true
}
