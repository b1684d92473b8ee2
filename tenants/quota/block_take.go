package quota

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// ensureSlots sees to it that each common count that limits the request holds a slot for it. again: it asked for one, without the lock
// meanwhile, so that the caller is to look anew. Called under the lock.
func (a *Admission) ensureSlots(ctx context.Context, r Request, l tenants.Limits) (again bool, err error) {
	if a.node == nil || l.Connections <= 0 && l.ConnectionsPerChannel <= 0 && (l.ConnectionsPerSubject <= 0 || r.Subject == "") {
		return false, nil
	}
	life, held := a.node.Lease()
	if !held {
		return false, tenants.Errorf(tenants.Unavailable, "node_without_lease", "this node has yet to make itself known to the others")
	}
	o := a.occupancy(r.Tenant)
	if l.Connections > 0 && o.all.lacksSlot(life) {
		return true, a.fetchSlot(ctx, o, &o.all, newBlock(o.tenant, "", ""), life, l.Connections, fullTenant)
	}
	if l.ConnectionsPerChannel > 0 {
		for i, name := range r.Channels {
			if slices.Contains(r.Channels[:i], name) {
				continue
			}
			if c := countFor(o.channels, name); c.lacksSlot(life) {
				return true, a.fetchSlot(ctx, o, c, newBlock(o.tenant, c.name, ""), life, l.ConnectionsPerChannel, fullChannel)
			}
		}
	}
	if l.ConnectionsPerSubject > 0 && r.Subject != "" {
		if c := countFor(o.subjects, r.Subject); c.lacksSlot(life) {
			return true, a.fetchSlot(ctx, o, c, newBlock(o.tenant, "", c.name), life, l.ConnectionsPerSubject, fullSubject)
		}
	}
	return false, nil
}

// lacksSlot tells whether there is no slot left for one more.
func (c *count) lacksSlot(life string) bool {
	return c.block == nil || c.block.life != life || c.block.have <= c.n
}

// fetchSlot gets one more slot for c, or waits while another Reserve does. Called under the lock, which it gives up meanwhile.
func (a *Admission) fetchSlot(ctx context.Context, o *occupancy, c *count, fresh *block, life string, limit int, refusal func() *tenants.Error) error {
	if c.block == nil {
		c.block = fresh
	}
	b := c.block
	b.waiting++
	defer func() {
		b.waiting--
		a.removeIdle(c)
	}()
	if under := b.inFlight; under != nil {
		a.mu.Unlock()
		select {
		case <-under:
		case <-ctx.Done():
		}
		a.mu.Lock()
		if err := ctx.Err(); err != nil {
			return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", err)
		}
		return nil
	}
	if time.Now().Before(b.refused) {
		return refusal()
	}
	b.limit = limit
	if err := a.runIO(b, func() error { return a.takeSlots(ctx, c, life) }); err != nil {
		return err
	}
	if c.lacksSlot(life) && b.tooFew { // else those who came meanwhile were quicker, and there are more
		b.refused = time.Now().Add(refusedTrust)
		return refusal()
	}
	return nil
}

// runIO does I/O for a block that has none under way. Called under the lock, which do runs without.
func (a *Admission) runIO(b *block, do func() error) error {
	b.inFlight = make(chan struct{})
	a.mu.Unlock()
	err := do()
	a.mu.Lock()
	close(b.inFlight)
	b.inFlight = nil
	return err
}

// takeSlots makes the node hold enough for all that are open and all that wait, as far as there is. Only the block's flight calls it.
func (a *Admission) takeSlots(ctx context.Context, c *count, life string) error {
	ctx, cancel := context.WithTimeout(ctx, blockCallTime)
	defer cancel()
	b := c.block
	return a.updateRow(ctx, b, func(rec *slotsRecord) (bool, error) {
		others := rec.others(life, a.node.FormerNames())
		a.mu.Lock()
		limit, short := b.limit, c.n+b.waiting > b.limit-others
		a.mu.Unlock()
		if short {
			var err error
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
		want := need > held
		b.tooFew = want
		if want || contended {
			b.contended = now.Add(wantedTrust)
		}
		tell := want && now.Sub(rec.Wanted).Abs() >= wantedEvery
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
	}, life)
}

// updateRow reads the row, has change change it, and puts it where nobody else has meanwhile; else once more. What the put says of this node is
// what the block then has. change says whether to put at all.
func (a *Admission) updateRow(ctx context.Context, b *block, change func(*slotsRecord) (put bool, err error), life string) error {
	for try := range blockTries {
		if try > 0 && !worker.Wait(ctx, rand.N(2*time.Millisecond<<min(try, 5))) {
			break
		}
		rec, at := slotsRecord{}, tenants.Absent()
		row, err := a.node.Options().Table.Get(ctx, b.key)
		if err == nil {
			at = tenants.At(row.Version)
			rec, err = record.Decode[slotsRecord](row)
		} else if tenants.IsNotFound(err) {
			err = nil
		}
		if err != nil {
			return err
		}
		put, err := change(&rec)
		if err != nil || !put {
			return err
		}
		now := time.Now()
		err = a.node.Options().Table.Write(ctx, tenants.Put(b.key, record.Encode(rec), now.Add(slotsLife), at))
		if _, refused := errors.AsType[*tenants.RefusedError](err); refused {
			continue
		}
		if err != nil {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if b.life == life {
			b.have = rec.Held[life]
			b.row, b.put = b.have, now
		}
		return nil
	}
	return tenants.Errorf(tenants.Unavailable, "slots_contended", "too many want a slot at once")
}

// dropDead leaves out of rec what nodes hold whose lease is over, and returns what the living hold besides this one.
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

// requestReturn asks the other holders for what they do not use. A notice that is lost is sent again as long as somebody goes without.
func (a *Admission) requestReturn(b *block, nodes []string) {
	ctx, cancel := context.WithTimeout(a.ctx, blockCallTime)
	defer cancel()
	notice := tenants.InboxMessage{Tenant: b.key.Tenant, Order: &tenants.Order{Do: tenants.OrderReturn, Channel: b.channel, Subject: b.subject}}
	worker.Parallel(len(nodes), worker.NodesAtOnce, func(i int) error {
		if err := a.node.Options().Inboxes.Send(ctx, nodes[i], notice); err != nil && !tenants.IsNotFound(err) {
			a.node.Options().Logger.Warn("a node could not be asked for slots", "node", nodes[i], "error", err)
		}
		return nil
	})
}

// others is what other nodes hold. What this node held under former names is its own, and leaves the record.
func (r *slotsRecord) others(life string, former []string) (sum int) {
	for _, name := range former {
		delete(r.Held, name)
	}
	for node, n := range r.Held {
		if node != life {
			sum += n
		}
	}
	return sum
}

func (r *slotsRecord) nodes(but string) (names []string) {
	for node := range r.Held {
		if node != but {
			names = append(names, node)
		}
	}
	slices.Sort(names)
	return names
}

func (r *slotsRecord) hold(node string, n int) {
	if r.Held == nil {
		r.Held = make(map[string]int)
	}
	if r.Held[node] = n; n == 0 {
		delete(r.Held, node)
	}
}
