package quota

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/worker"
)

// afterRelease is called, under the lock, when one of c has ended.
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

// returnSoon has what c does not use given back after a while. Called under the lock.
func (a *Admission) returnSoon(c *count, after time.Duration) {
	if !c.block.returning {
		c.block.returning = true
		time.AfterFunc(after, func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			c.block.returning = false
			if !a.closed {
				a.work.Add(1)
				defer a.work.Done()
				a.giveBack(c)
			}
		})
	}
}

// Close ends what goes on in the background, and waits for it.
func (a *Admission) Close() {
	a.mu.Lock()
	a.closed = true
	a.cancel()
	a.mu.Unlock()
	a.work.Wait()
}

// ReturnUnused is another node's appeal: what is unused goes back now, and until it is a while ago whatever comes to be unused.
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

// giveBack gives back what c does not use. Called under the lock, which it gives up meanwhile.
func (a *Admission) giveBack(c *count) {
	if !a.known(c) {
		return
	}
	b := c.block
	defer a.removeIdle(c)
	life, held := a.node.Lease()
	if !held || b.life != life {
		return // what it held is the next life's to see to
	}
	if b.inFlight != nil {
		a.returnSoon(c, returnAfter)
		return
	}
	b.have = min(b.have, c.n+b.waiting) // addressRates here on nobody is given what is about to go back
	if err := a.runIO(b, func() error { return a.lowerRow(b, life) }); err != nil {
		a.returnSoon(c, returnRetry)
	}
}

// lowerRow makes the row say what the block has. Only the block's flight calls it.
func (a *Admission) lowerRow(b *block, life string) error {
	ctx, cancel := context.WithTimeout(a.ctx, blockCallTime)
	defer cancel()
	return a.updateRow(ctx, b, func(rec *slotsRecord) (bool, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if b.life != life || rec.Held[life] == b.have && time.Since(b.put) < slotsRefresh {
			b.row = b.have
			return false, nil
		}
		rec.hold(life, b.have)
		return true, nil
	}, life)
}

// known tells whether c has not been forgotten since. Called under the lock.
func (a *Admission) known(c *count) bool {
	o := a.open[c.block.key.Tenant]
	return o != nil && (c == &o.all || o.channels[c.name] == c || o.subjects[c.name] == c)
}

// removeIdle removes an entry that nothing is lost with. Called under the lock.
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

// blocks returns every count that has a block, of each tenant the tenant's own first. Called under the lock.
func (a *Admission) blocks() (byTenant [][]*count) {
	for _, o := range a.open {
		var list []*count
		if o.all.block != nil {
			list = append(list, &o.all)
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

// Maintain gives back what has not been used for a while, and puts rows again that are about to expire.
func (a *Admission) Maintain(ctx context.Context, f node.Fanout) {
	a.mu.Lock()
	var due, over []*count
	now := time.Now()
	for _, list := range a.blocks() {
		for _, c := range list {
			b := c.block
			unused := c.n == 0 && b.waiting == 0 && (b.have > 0 || b.row > 0) && now.Sub(b.lastUse) >= blockLinger
			if unused || b.row > b.have || c.n > 0 && now.Sub(b.put) >= slotsRefresh {
				due = append(due, c)
			}
			if b.mayShed = b.mayShed && c.n > b.have; b.mayShed {
				over = append(over, c)
			}
		}
	}
	a.mu.Unlock()
	worker.Parallel(len(due), worker.NodesAtOnce, func(i int) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if ctx.Err() == nil {
			a.giveBack(due[i])
		}
		return nil
	})
	for _, c := range over {
		a.shed(f, c)
	}
}

// Retake takes, for a new life, slots for the connections that are open, and sheds those for which there are none any more.
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

// retakeOne tells whether the block is the present life's.
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

// mayShed ends connections of c for which there is no slot.
func (a *Admission) shed(f node.Fanout, c *count) {
	a.mu.Lock()
	b := c.block
	life, held := a.node.Lease()
	over := c.n - b.have
	known := b.life == life && held && b.mayShed
	a.mu.Unlock()
	if known && over > 0 {
		f.Shed(b.key.Tenant, b.channel, b.subject, over)
	}
}
