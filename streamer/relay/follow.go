package relay

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/proxy"
)

const (
	followEvery  = 2 * time.Second        // between checks for the node that runs the upstream
	openingEvery = 100 * time.Millisecond // the same, while that node opens it
	troubleTime  = time.Second
)

// loop does this node's part of a shared upstream until it has none.
func (sh *share) loop() {
	node := ""
	defer func() {
		sh.retire(true)
		sh.settle(0, tenants.Errorf(tenants.Unavailable, "upstream_opening",
			"the upstream is not open; try again later"))
		sh.letGo(node)
	}()
	for sh.r.ctx.Err() == nil && !sh.retire(false) {
		if !sh.r.o.Node.Held() { // the node first needs its lease again, under another name
			sh.wait(troubleTime)
			continue
		}
		ctx, cancel := context.WithTimeout(sh.r.ctx, callTime)
		state, lease, err := sh.take(ctx, &node)
		cancel()
		switch {
		case err != nil:
			sh.settle(0, err) // present listeners keep waiting
			sh.wait(troubleTime)
		case lease != nil:
			if !sh.lead(state, lease) {
				return
			}
		case !sh.follow(state):
			return
		}
	}
}

// take registers the node's listeners and takes the run if no node has it. The order matters: a node that gives the
// run back looks for listeners first.
func (sh *share) take(ctx context.Context, node *string) (proxy.RunState, *proxy.Lease, error) {
	if now := sh.r.o.Node.ID(); now != *node {
		if err := sh.r.o.Runs.Join(ctx, sh.key.tenant, sh.key.run, now, sh.id); err != nil {
			return proxy.RunState{}, nil, err
		}
		*node = now
	}
	return sh.r.o.Runs.Take(ctx, sh.key.tenant, sh.key.run, *node)
}

// follow waits while another node runs the upstream. It returns true if no node does any more and listeners are left.
func (sh *share) follow(state proxy.RunState) (again bool) {
	every := openingEvery
	for {
		if state.Open {
			sh.settle(state.Opened, nil)
			every = followEvery
		}
		if sh.wait(every); sh.r.ctx.Err() != nil || sh.retire(false) {
			return false
		}
		ctx, cancel := context.WithTimeout(sh.r.ctx, callTime)
		now, runs, err := sh.r.o.Runs.Look(ctx, sh.key.tenant, sh.key.run)
		cancel()
		switch {
		case err != nil:
		case runs:
			state = now
		case now.Over && state.Open: // the channel tells its listeners
			return false
		default:
			return true
		}
	}
}

// wait waits for d, or until the last listener leaves.
func (sh *share) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-sh.empty:
	case <-sh.r.ctx.Done():
	}
}

// letGo removes the registration of take.
func (sh *share) letGo(node string) {
	if node == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	if err := sh.r.o.Runs.Leave(ctx, sh.key.tenant, sh.key.run, node, sh.id); err != nil &&
		tenants.KindOf(err) != tenants.NotFound {
		sh.r.o.Logger.Warn("relay: cannot remove the hold on a run", "error", err)
	}
}
