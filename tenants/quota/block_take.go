package quota

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// ensureSlots makes sure that each shared count that limits the request has a free slot. If it returns again it
// released mu meanwhile, so the caller must check all limits once more. The caller holds mu.
func (a *Admission) ensureSlots(ctx context.Context, r Request, l tenants.Limits) (again bool, err error) {
	bySubject := l.ConnectionsPerSubject > 0 && r.Subject != ""
	if a.node == nil || l.Connections <= 0 && l.ConnectionsPerChannel <= 0 && !bySubject {
		return false, nil
	}
	life, held := a.node.Lease()
	if !held {
		return false, node.ErrWithoutLease
	}
	o := a.occupancy(r.Tenant)
	if l.Connections > 0 && o.all.lacksSlot(life) {
		return true, a.fetchSlot(ctx, &o.all, newBlock(o.tenant, "", ""), life, l.Connections)
	}
	if l.ConnectionsPerChannel > 0 {
		for i, name := range r.Channels {
			if slices.Contains(r.Channels[:i], name) {
				continue
			}
			if c := countFor(o.channels, name); c.lacksSlot(life) {
				return true, a.fetchSlot(ctx, c, newBlock(o.tenant, c.name, ""), life, l.ConnectionsPerChannel)
			}
		}
	}
	if bySubject {
		if c := countFor(o.subjects, r.Subject); c.lacksSlot(life) {
			return true, a.fetchSlot(ctx, c, newBlock(o.tenant, "", c.name), life, l.ConnectionsPerSubject)
		}
	}
	return false, nil
}

// lacksSlot reports whether the block has no slot for one more connection.
func (c *count) lacksSlot(life string) bool {
	return c.block == nil || c.block.life != life || c.block.have <= c.n
}

// fetchSlot gets one more slot for c, or waits while another goroutine does. If c has no block yet it gets fresh.
// The caller holds mu, which fetchSlot releases meanwhile.
func (a *Admission) fetchSlot(ctx context.Context, c *count, fresh *block, life string, limit int) error {
	if c.block == nil {
		c.block = fresh
	}
	b := c.block
	b.waiting++
	defer func() {
		b.waiting--
		a.removeIdle(c)
	}()
	if other := b.inFlight; other != nil {
		a.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
		}
		a.mu.Lock()
		if err := ctx.Err(); err != nil {
			return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", err)
		}
		return nil
	}
	if time.Now().Before(b.refused) {
		return b.full.after(tryAgain)
	}
	b.limit = limit
	if err := a.runIO(b, func() error { return a.takeSlots(ctx, c, life) }); err != nil {
		return err
	}
	if c.lacksSlot(life) && b.tooFew { // otherwise others were quicker, and there are more
		b.refused = time.Now().Add(refusedTrust)
		return b.full.after(tryAgain)
	}
	return nil
}

// runIO calls do for a block that has no I/O in flight. The caller holds mu, which runIO releases while do runs.
func (a *Admission) runIO(b *block, do func() error) error {
	b.inFlight = make(chan struct{})
	a.mu.Unlock()
	err := do()
	a.mu.Lock()
	close(b.inFlight)
	b.inFlight = nil
	return err
}

// takeSlots makes the row say that this node holds enough for all open connections and all waiting Reserves, as far as
// there are free slots. Call it in runIO.
func (a *Admission) takeSlots(ctx context.Context, c *count, life string) error {
	ctx, cancel := context.WithTimeout(ctx, blockCallTime)
	defer cancel()
	b := c.block
	return a.updateRow(ctx, b, life, func(rec *slotsRecord) (put bool, err error) {
		others := rec.others(life, a.node.FormerNames())
		a.mu.Lock()
		limit, short := b.limit, c.n+b.waiting > b.limit-others
		a.mu.Unlock()
		if short {
			if others, err = a.dropDead(ctx, rec, life); err != nil {
				return false, err
			}
		}
		now := time.Now()
		contended := now.Sub(rec.Wanted).Abs() < wantedTrust

		a.mu.Lock()
		defer a.mu.Unlock()
		if b.life != life {
			b.life, b.have, b.row = life, 0, 0
		}
		b.others = others
		need := c.n + b.waiting
		held := blockSize(need, b.have, limit-others, a.node.Live(), contended)
		b.tooFew = need > held
		if b.tooFew || contended {
			b.contended = now.Add(wantedTrust)
		}
		tell := b.tooFew && now.Sub(rec.Wanted).Abs() >= wantedEvery
		if held == b.have && b.row == b.have && !tell {
			return false, nil
		}
		b.have, b.row = min(b.have, held), max(b.row, held)
		rec.hold(life, held)
		if tell {
			rec.Wanted = now
			if nodes := rec.nodes(life); !a.closed {
				a.work.Go(func() { a.requestReturn(b, nodes) })
			}
		}
		return true, nil
	})
}

// updateRow applies f to the block's row, which f may be called for several times, and then gives the block what the
// row says. f returns false if there is nothing to put. The caller does not hold mu.
func (a *Admission) updateRow(ctx context.Context, b *block, life string,
	f func(*slotsRecord) (put bool, err error)) error {
	var rec slotsRecord
	var at time.Time // of the put; zero if there is none
	err := record.Update(ctx, a.node.Options().Table, b.key,
		func(now slotsRecord, was tenants.Condition) ([]tenants.Op, error) {
			rec, at = now, time.Time{}
			if put, err := f(&rec); err != nil || !put {
				return nil, err
			}
			at = time.Now()
			return []tenants.Op{tenants.Put(b.key, record.Encode(rec), at.Add(slotsLife), was)}, nil
		})
	if errors.Is(err, record.ErrContended) {
		return tenants.Errorf(tenants.Unavailable, "slots_contended", "too many connections ask for a slot at once")
	}
	if err != nil || at.IsZero() {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if b.life == life {
		b.have = rec.Held[life]
		b.row, b.put = b.have, at
	}
	return nil
}

// dropDead removes nodes from rec whose lease is over, and returns what the other live nodes hold.
func (a *Admission) dropDead(ctx context.Context, rec *slotsRecord, life string) (others int, err error) {
	for _, node := range rec.nodes(life) {
		gone, err := a.node.Gone(ctx, node)
		if err != nil {
			return 0, err
		}
		if gone {
			delete(rec.Held, node)
		}
	}
	return rec.others(life, nil), nil
}

// requestReturn orders other nodes to return what they do not use. A lost order is repeated for as long as slots are
// needed.
func (a *Admission) requestReturn(b *block, nodes []string) {
	ctx, cancel := context.WithTimeout(a.ctx, blockCallTime)
	defer cancel()
	o := tenants.Order{Do: tenants.OrderReturn, Channel: b.channel, Subject: b.subject}
	worker.Parallel(len(nodes), worker.NodesAtOnce, func(i int) error {
		err := a.node.Options().Inboxes.Send(ctx, nodes[i], tenants.InboxMessage{Tenant: b.key.Tenant, Order: &o})
		if err != nil && !tenants.IsNotFound(err) {
			a.node.Options().Logger.Warn("asking a node for slots failed", "node", nodes[i], "error", err)
		}
		return nil
	})
}
