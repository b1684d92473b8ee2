package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
)

// sender posts webhooks as a provider does: each after the acknowledgement of the one before, and repeated with the
// same delivery id until it is acknowledged.
type sender struct {
	s      *storm
	source endtoend.Source
	who    posted // N is the number of the last one posted
	chaos  *rand.Rand
}

// run sends n webhooks, at most one in each pause.
func (p *sender) run(ctx context.Context, n int, pause time.Duration) {
	next := time.Now().Add(time.Duration(p.chaos.Int64N(int64(pause))))
	for range n {
		sleep(ctx, time.Until(next))
		next = next.Add(pause)
		p.who.N++
		p.who.Pad = strings.Repeat("x", p.chaos.IntN(1500))
		body, err := json.Marshal(p.who)
		if err != nil {
			p.s.violation("%v", err)
			return
		}
		delivery := fmt.Sprintf("%s-%s-%d", p.who.channel(), p.who.Sender, p.who.N)
		a, ok := p.deliver(ctx, delivery, body)
		if !ok {
			return
		}
		p.s.acknowledged(acked{p.who, a.ID, time.Now()})
		if p.chaos.IntN(20) == 0 { // as a provider that did not read the answer
			if b, ok := p.deliver(ctx, delivery, body); ok && b.ID != a.ID {
				p.s.violation("delivery %s was acknowledged as %s and as %s", delivery, a.ID, b.ID)
			}
		}
	}
}

// deliver posts the webhook until it is acknowledged.
func (p *sender) deliver(ctx context.Context, delivery string, body []byte) (accepted endtoend.Accepted, ok bool) {
	began, heard := time.Now(), []string{}
	defer func() { p.s.waited(time.Since(began), delivery, heard) }()
	for ctx.Err() == nil {
		tried := time.Now()
		trying, cancel := context.WithTimeout(ctx, 10*time.Second)
		a, err := p.s.GitHub(trying, p.source, delivery, body)
		cancel()
		switch {
		case err == nil && (a.Status == 200 || a.Status == 202):
			if err := json.Unmarshal(a.Body, &accepted); err != nil || accepted.ID == "" {
				p.s.violation("delivery %s was answered %d %s", delivery, a.Status, a.Body)
				return accepted, false
			}
			return accepted, true
		case err == nil && a.Status < 500:
			p.s.violation("delivery %s was answered %d %s", delivery, a.Status, a.Body)
			return accepted, false
		}
		heard = append(heard, fmt.Sprintf("%d %v after %v", a.Status, err, time.Since(tried).Round(time.Millisecond)))
		sleep(ctx, time.Duration(100+p.chaos.IntN(400))*time.Millisecond)
	}
	return accepted, false
}
