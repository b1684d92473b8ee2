package relay

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/proxy"
)

// share is a shared upstream as this node has it: those here who listen to its channel, and what the node does about it. It lives until the
// node has nothing to do with the upstream any more; whoever comes then makes another.
type share struct {
	r    *Relay
	key  shareKey
	id   string // of its hold
	call proxy.ProxyCall
	most int // bytes of an event

	settled chan struct{} // closed once it is known whether the upstream is open
	opened  int64         // then: the number of the event that says so
	err     error         // or why not

	// r.mu guards these.
	seats   int
	retired bool

	empty chan struct{} // holds one once the last has left
	look  chan struct{} // holds one once it is to be seen whether other nodes want the upstream
}

type shareKey struct {
	tenant tenants.TenantID
	run    string
}

// refusal is an upstream's answer that is gone by for a moment, so that a crowd costs one attempt.
type refusal struct {
	err   error
	until time.Time
}

const (
	refusalTime = time.Second
	refusals    = 1000
)

// Seat is one listener's place at a shared upstream.
type Seat struct {
	Channel string
	// After is the number behind which a listener begins that has no cursor.
	After int64
	share *share
}

// Join has a caller listen to a shared upstream, which is opened if it is not open yet, here or on another node. Errors as Private's. ctx is
// for the opening alone. The Seat is to be left in the end.
func (r *Relay) Join(ctx context.Context, tenant tenants.TenantID, call proxy.ProxyCall, eventBytes int) (*Seat, error) {
	key := shareKey{tenant, call.Run}
	r.mu.Lock()
	if f, ok := r.refusal[key]; ok && time.Now().Before(f.until) {
		r.mu.Unlock()
		return nil, f.err
	}
	sh := r.shares[key]
	if sh == nil {
		if r.ctx.Err() != nil {
			r.mu.Unlock()
			return nil, tenants.Errorf(tenants.Unavailable, "draining", "This node is going out of service.")
		}
		sh = &share{r: r, key: key, id: tenants.NewID(""), call: call, most: eventBytes, settled: make(chan struct{}), empty: make(chan struct{}, 1), look: make(chan struct{}, 1)}
		r.shares[key] = sh
		r.work.Go(sh.run)
	}
	sh.seats++
	r.mu.Unlock()
	seat := &Seat{Channel: call.Channel, share: sh}
	fresh := true
	select {
	case <-sh.settled:
		fresh = false
	default:
	}
	select {
	case <-sh.settled:
	case <-ctx.Done():
		seat.Leave()
		return nil, tenants.Errorf(tenants.Unavailable, "upstream_opening", "The upstream is not open yet.")
	}
	if sh.err != nil {
		seat.Leave()
		return nil, sh.err
	}
	seat.After = sh.opened
	if !fresh {
		tail, err := r.o.Log.Tail(ctx, tenant, call.Channel)
		if err != nil {
			seat.Leave()
			return nil, err
		}
		seat.After = max(tail, sh.opened)
	}
	return seat, nil
}

// Leave gives the seat up. It does not wait. With the last seat of all nodes the upstream is closed.
func (s *Seat) Leave() {
	sh := s.share
	sh.r.mu.Lock()
	defer sh.r.mu.Unlock()
	if sh.seats--; sh.seats == 0 {
		signal(sh.empty)
		signal(sh.look)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// LetGo is Node's: another node has no listeners of the run any more.
func (r *Relay) LetGo(tenant tenants.TenantID, run string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if sh := r.shares[shareKey{tenant, run}]; sh != nil {
		signal(sh.look)
	}
}

// settle tells those who wait how the opening went; the first word counts.
func (sh *share) settle(opened int64, err error) {
	select {
	case <-sh.settled:
	default:
		sh.opened, sh.err = opened, err
		close(sh.settled)
	}
}

// retire takes the share off the relay, so that whoever comes next begins anew; false: somebody has come. Over: in any case.
func (sh *share) retire(over bool) bool {
	sh.r.mu.Lock()
	defer sh.r.mu.Unlock()
	if sh.retired {
		return true
	}
	if sh.seats > 0 && !over {
		return false
	}
	sh.retired = true
	if sh.r.shares[sh.key] == sh {
		delete(sh.r.shares, sh.key)
	}
	return true
}

// refuse remembers for a moment why the upstream does not open.
func (sh *share) refuse(err error) {
	r := sh.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.refusal) >= refusals {
		clear(r.refusal)
	}
	r.refusal[sh.key] = refusal{err, time.Now().Add(refusalTime)}
}

func (sh *share) seated() bool {
	sh.r.mu.Lock()
	defer sh.r.mu.Unlock()
	return sh.seats > 0
}
