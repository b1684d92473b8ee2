package quota

import (
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/worker"
)

// afterRelease records that a connection of c has ended. The caller holds mu.
func (a *Admission) afterRelease(c *count) {
	b := c.block
	if b == nil {
		return
	}
	b.lastUse = time.Now()
	if b.have > c.n && b.lastUse.Before(b.contended) {
		a.returnSoon(c, returnAfter)
	}
}

// returnSoon starts a timer that returns the unused slots of c. The caller holds mu.
func (a *Admission) returnSoon(c *count, after time.Duration) {
	if c.block.returning {
		return
	}
	c.block.returning = true
	time.AfterFunc(after, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		c.block.returning = false
		if !a.closed {
			a.work.Add(1)
			defer a.work.Done()
			a.returnSlots(c)
		}
	})
}

// Close ends all background work and waits for it.
func (a *Admission) Close() {
	a.mu.Lock()
	a.closed = true
	a.cancel()
	a.mu.Unlock()
	a.work.Wait()
}

// ReturnUnused returns unused slots to other nodes now, and those that become unused during the next 5 s.
func (a *Admission) ReturnUnused(t tenants.TenantID, channel, subject string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.open[t]
	if o == nil {
		return
	}
	c := &o.all
	if channel != "" {
		c = o.channels[channel]
	} else if subject != "" {
		c = o.subjects[subject]
	}
	if c == nil || c.block == nil {
		return
	}
	c.block.contended = time.Now().Add(wantedTrust)
	if c.block.have > c.n {
		a.returnSoon(c, 0)
	}
}

// returnSlots returns the unused slots of c. The caller holds mu, which returnSlots releases meanwhile.
func (a *Admission) returnSlots(c *count) {
	if !a.known(c) {
		return
	}
	b := c.block
	defer a.removeIdle(c)
	life, held := a.node.Lease()
	if !held || b.life != life {
		return // Retake deals with the block
	}
	if b.inFlight != nil {
		a.returnSoon(c, returnAfter)
		return
	}
	b.have = min(b.have, c.n+b.waiting) // from here on nobody gets the slots that are being returned
	if err := a.runIO(b, func() error { return a.lowerRow(b, life) }); err != nil {
		a.returnSoon(c, returnRetry)
	}
}

// lowerRow makes the row say what the block has. Call it in runIO.
func (a *Admission) lowerRow(b *block, life string) error {
	ctx, cancel := context.WithTimeout(a.ctx, blockCallTime)
	defer cancel()
	return a.updateRow(ctx, b, life, func(rec *slotsRecord) (put bool, err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if b.life != life || rec.Held[life] == b.have && time.Since(b.put) < slotsRefresh {
			b.row = b.have
			return false, nil
		}
		rec.hold(life, b.have)
		return true, nil
	})
}

// known reports whether c is still in use: it may have been removed while mu was released. The caller holds mu.
func (a *Admission) known(c *count) bool {
	o := a.open[c.block.key.Tenant]
	return o != nil && (c == &o.all || o.channels[c.name] == c || o.subjects[c.name] == c)
}

// removeIdle removes c if it is idle. The caller holds mu.
func (a *Admission) removeIdle(c *count) {
	if !a.known(c) || !c.idle() {
		return
	}
	o := a.open[c.block.key.Tenant]
	for _, m := range []map[string]*count{o.channels, o.subjects} {
		if m[c.name] == c {
			delete(m, c.name)
		}
	}
	a.removeIfEmpty(o)
}

// blocks returns the counts that have a block, grouped by tenant. The caller holds mu.
func (a *Admission) blocks() (byTenant [][]*count) {
	for _, o := range a.open {
		var list []*count
		if o.all.block != nil {
			list = append(list, &o.all) // first, so that Retake sheds connections over the tenant's own limit first
		}
		for _, m := range []map[string]*count{o.channels, o.subjects} {
			for _, c := range m {
				if c.block != nil {
					list = append(list, c)
				}
			}
		}
		if list != nil {
			byTenant = append(byTenant, list)
		}
	}
	return byTenant
}

// Maintain returns slots that have not been used for a while, puts rows again before they expire, and sheds connections
// that still have no slot.
func (a *Admission) Maintain(ctx context.Context, f node.Fanout) {
	a.mu.Lock()
	var due, over []*count
	now := time.Now()
	for _, c := range slices.Concat(a.blocks()...) {
		b := c.block
		unused := c.n == 0 && b.waiting == 0 && (b.have > 0 || b.row > 0) && now.Sub(b.lastUse) >= blockLinger
		if unused || b.row > b.have || c.n > 0 && now.Sub(b.put) >= slotsRefresh {
			due = append(due, c)
		}
		if b.mayShed = b.mayShed && c.n > b.have; b.mayShed {
			over = append(over, c)
		}
	}
	a.mu.Unlock()
	worker.Parallel(len(due), worker.NodesAtOnce, func(i int) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if ctx.Err() == nil {
			a.returnSlots(due[i])
		}
		return nil
	})
	for _, c := range over {
		a.shed(f, c)
	}
}

// Retake takes slots for the open connections under the node's new name, and sheds those that get none.
func (a *Admission) Retake(ctx context.Context, f node.Fanout) {
	a.mu.Lock()
	byTenant := a.blocks()
	a.mu.Unlock()
	worker.Parallel(len(byTenant), worker.NodesAtOnce, func(i int) error {
		for _, c := range byTenant[i] {
			for failures := 1; ctx.Err() == nil && !a.retakeOne(ctx, c); failures++ {
				worker.Wait(ctx, worker.RetryDelay(failures))
			}
			a.shed(f, c)
		}
		return nil
	})
}

// retakeOne takes slots for c, and reports whether its block belongs to the node's present name.
func (a *Admission) retakeOne(ctx context.Context, c *count) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := c.block
	life, held := a.node.Lease()
	if !a.known(c) {
		return true
	}
	if !held || b.inFlight != nil {
		return false
	}
	if b.life == life {
		b.mayShed = true
		return true
	}
	if c.n == 0 {
		b.life, b.have, b.row = life, 0, 0
		a.removeIdle(c)
		return true
	}
	err := a.runIO(b, func() error { return a.takeSlots(ctx, c, life) })
	b.mayShed = err == nil
	return err == nil
}

// shed ends connections of c for which there is no slot.
func (a *Admission) shed(f node.Fanout, c *count) {
	a.mu.Lock()
	b := c.block
	life, held := a.node.Lease()
	over := c.n - b.have
	current := b.life == life && held && b.mayShed
	a.mu.Unlock()
	if current && over > 0 {
		f.Shed(b.key.Tenant, b.channel, b.subject, over)
	}
}
