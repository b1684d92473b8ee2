package relay

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/proxy"
)

const (
	followEvery  = 2 * time.Second        // how often it is looked whether the node that runs the upstream is there
	openingEvery = 100 * time.Millisecond // and while that opens it
	troubleTime  = time.Second
)

// run does what the node has to do about a shared upstream, until that is nothing.
func (sh *share) run() {
	node := ""
	defer func() {
		sh.retire(true)
		sh.settle(0, tenants.Errorf(tenants.Unavailable, "upstream_opening", "The upstream is not open."))
		sh.letGo(node)
	}()
	for sh.r.ctx.Err() == nil && !sh.retire(false) {
		if !sh.r.o.Node.Held() { // it has yet to begin again under another name
			sh.rest(troubleTime)
			continue
		}
		ctx, cancel := context.WithTimeout(sh.r.ctx, callTime)
		state, lease, err := sh.take(ctx, &node)
		cancel()
		switch {
		case err != nil:
			sh.settle(0, err) // those who are here already wait on
			sh.rest(troubleTime)
		case lease != nil:
			if !sh.lead(state, lease) {
				return
			}
		case !sh.follow(state):
			return
		}
	}
}

// take notes that the node has listeners, and takes the run where nobody has it. In this order: whoever gives the run back looks for
// listeners first.
func (sh *share) take(ctx context.Context, node *string) (proxy.RunState, *proxy.RunLease, error) {
	if now := sh.r.o.Node.ID(); now != *node {
		if err := sh.r.o.Runs.Hold(ctx, sh.key.tenant, sh.key.run, now, sh.id); err != nil {
			return proxy.RunState{}, nil, err
		}
		*node = now
	}
	return sh.r.o.Runs.Take(ctx, sh.key.tenant, sh.key.run, *node)
}

// follow waits while another node runs the upstream. again: nobody does any more, and listeners are left.
func (sh *share) follow(state proxy.RunState) (again bool) {
	every := openingEvery
	for {
		if state.Open {
			sh.settle(state.Opened, nil)
			every = followEvery
		}
		if sh.rest(every); sh.r.ctx.Err() != nil || sh.retire(false) {
			return false
		}
		ctx, cancel := context.WithTimeout(sh.r.ctx, callTime)
		now, runs, err := sh.r.o.Runs.Look(ctx, sh.key.tenant, sh.key.run)
		cancel()
		switch {
		case err != nil:
		case runs:
			state = now
		case now.Over && state.Open: // the channel says so to all who listen
			return false
		default:
			return true
		}
	}
}

// rest waits, for less where the last listener leaves.
func (sh *share) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-sh.empty:
	case <-sh.r.ctx.Done():
	}
}

// letGo takes back what take has noted.
func (sh *share) letGo(node string) {
	if node == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	if err := sh.r.o.Runs.LetGo(ctx, sh.key.tenant, sh.key.run, node, sh.id); err != nil && tenants.KindOf(err) != tenants.NotFound {
		sh.r.o.Logger.Warn("a node could not say that nobody listens any more", "error", err)
	}
}
