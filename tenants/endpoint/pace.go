package endpoint

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Pace holds attempts at endpoints that have a rate to it, over all processes. A row per endpoint says when its next attempt may be; whoever takes
// turns moves it on, so that no two get the same. Where the rate is high a process takes turns of a tenth of a second at once: those
// that it does not use in time are lost, and the rate is never passed.
type Pace struct {
	Table tenants.Table

	mu    sync.Mutex
	turns map[tenants.Key][]time.Time // that are ours, in order
}

// paceRecord is the row pace/{endpoint}.
type paceRecord struct{ Next time.Time }

const (
	rowPace     tenants.Kind = "pace" // {tenant}, endpoint id
	paceAtMost               = 5 * time.Second
	paceLife                 = time.Minute
	paceTries                = 64
	paceEntries              = 10_000
)

// Take returns how long to wait for one's turn. Over paceAtMost there is no turn, and the wait is when to ask again.
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
	for range paceTries {
		now := time.Now()
		next, was := now, tenants.Absent()
		row, err := p.Table.Get(ctx, k)
		switch {
		case err == nil:
			r, err := record.Decode[paceRecord](row)
			if err != nil {
				return 0, false, err
			}
			was = tenants.At(row.Version)
			if r.Next.After(now) {
				next = r.Next
			}
		case !tenants.IsNotFound(err):
			return 0, false, err
		}
		if wait := next.Sub(now); wait > paceAtMost {
			return wait, false, nil
		}
		end := next.Add(time.Duration(many) * apart)
		err = p.Table.Write(ctx, tenants.Put(k, record.Encode(paceRecord{end.UTC()}), end.Add(paceLife), was))
		if err == nil {
			p.keep(k, next, apart, many)
			return max(time.Until(next), 0), true, nil
		}
		if !tenants.IsRefused(err) {
			return 0, false, err
		}
	}
	return apart, false, nil
}

// mine returns a turn that this process has left.
func (p *Pace) mine(k tenants.Key) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	turns := p.turns[k]
	for len(turns) > 0 && turns[0].Before(now) { // over: another's may be next to it
		turns = turns[1:]
	}
	if len(turns) == 0 {
		delete(p.turns, k)
		return time.Time{}, false
	}
	p.turns[k] = turns[1:]
	return turns[0], true
}

// keep notes all turns but the first.
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
		clear(p.turns) // turns are lost, the rate is kept
	}
	for i := 1; i < n; i++ {
		p.turns[k] = append(p.turns[k], first.Add(time.Duration(i)*apart))
	}
}
