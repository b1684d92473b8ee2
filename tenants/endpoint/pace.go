package endpoint

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Times of attempts.
const (
	RecheckEvery    = 15 * time.Minute // how often a disabled endpoint or a suspended tenant is looked at again
	SecondTryWithin = time.Second      // a connection that fails within this is tried once more at once

	jitter       = 0.2            // each wait is up to this fraction shorter or longer
	retryAtMost  = 24 * time.Hour // the longest Retry-After that is respected
	holdsUpTo    = 24 * time.Hour // how much later than its schedule a delivery may end because it was held back
	busyHold     = time.Minute    // the pause after a 429 without Retry-After
	busyHoldMost = time.Hour      // the longest pause after a 429
)

func (e Endpoint) schedule() []time.Duration {
	if e.Schedule == nil {
		return DefaultSchedule()
	}
	return e.Schedule
}

// NextWait returns how long to wait before the next attempt. failed is the number of attempts that have failed (1 or
// more), asked the Retry-After of the last answer, and random a number from 0 to 1. It returns false if the schedule
// has no attempt left.
func (e Endpoint) NextWait(failed int, asked time.Duration, random float64) (time.Duration, bool) {
	s := e.schedule()
	if failed > len(s) {
		return 0, false
	}
	base := time.Duration(float64(s[failed-1]) * (1 - jitter + 2*jitter*random))
	return max(base, min(asked, retryAtMost)), true
}

// Deadline returns the time at which a delivery is given up even if its schedule has attempts left,
// because it was held back for too long. The log keeps events for longer.
func (e Endpoint) Deadline(began time.Time) time.Time {
	var span time.Duration
	for _, d := range e.schedule() {
		span += d
	}
	return began.Add(time.Duration(float64(span)*(1+jitter)) + holdsUpTo)
}

// Lanes returns the number of lanes: groups of messages of which one is attempted at a time.
func (e Endpoint) Lanes() int {
	if e.Concurrency <= 0 {
		return DefaultConcurrency
	}
	return e.Concurrency
}

// Pace keeps attempts at an endpoint to its PerSecond, over all processes. A row per endpoint has the time of its
// next turn. A process that takes turns moves that time on, so that no two processes get the same turn. At a high
// rate it takes the turns of a tenth of a second at once. Turns that it does not use in time are lost, so that the
// rate is never exceeded.
type Pace struct {
	Table tenants.Table

	mu    sync.Mutex
	turns map[tenants.Key][]time.Time // taken and not used yet, in order
}

type paceRecord struct{ Next time.Time }

const (
	rowPace     tenants.Kind = "pace" // {tenant}, endpoint id
	paceAtMost               = 5 * time.Second
	paceLife                 = time.Minute
	paceEntries              = 10_000
)

// Take returns how long to wait for the endpoint's next turn. If that is longer than paceAtMost, ok is false: the
// caller has no turn and asks again after the wait.
func (p *Pace) Take(ctx context.Context, ep Endpoint) (wait time.Duration, ok bool, err error) {
	if ep.PerSecond <= 0 {
		return 0, true, nil
	}
	k := tenants.Key{Tenant: ep.Tenant, Kind: rowPace, Sort: ep.ID}
	if at, ok := p.mine(k); ok {
		return max(time.Until(at), 0), true, nil
	}
	apart := time.Second / time.Duration(ep.PerSecond)
	many := max(ep.PerSecond/10, 1)
	var next time.Time
	err = record.Update(ctx, p.Table, k, func(r paceRecord, was tenants.Condition) ([]tenants.Op, error) {
		now := time.Now()
		if next = r.Next; !next.After(now) {
			next = now
		}
		if wait = next.Sub(now); wait > paceAtMost {
			return nil, nil
		}
		end := next.Add(time.Duration(many) * apart)
		return []tenants.Op{tenants.Put(k, record.Encode(paceRecord{end.UTC()}), end.Add(paceLife), was)}, nil
	})
	switch {
	case errors.Is(err, record.ErrContended):
		return apart, false, nil
	case err != nil:
		return 0, false, err
	case wait > paceAtMost:
		return wait, false, nil
	}
	p.keep(k, next, apart, many)
	return max(time.Until(next), 0), true, nil
}

// mine returns the next turn that this process has taken, if there is one.
func (p *Pace) mine(k tenants.Key) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	turns := p.turns[k]
	for len(turns) > 0 && turns[0].Before(now) { // lost: used late, it could be too close to another process's turn
		turns = turns[1:]
	}
	if len(turns) == 0 {
		delete(p.turns, k)
		return time.Time{}, false
	}
	p.turns[k] = turns[1:]
	return turns[0], true
}

// keep remembers all n turns except the first.
func (p *Pace) keep(k tenants.Key, first time.Time, apart time.Duration, n int) {
	if n < 2 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.turns == nil {
		p.turns = make(map[tenants.Key][]time.Time)
	}
	if len(p.turns) >= paceEntries {
		clear(p.turns) // loses turns, which is safe
	}
	for i := 1; i < n; i++ {
		p.turns[k] = append(p.turns[k], first.Add(time.Duration(i)*apart))
	}
}
