package relay

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/proxy"
)

// share is a shared upstream as this node sees it: its listeners here, and the node's part in running it. It lives
// until the node has no part in the upstream any more; a later listener makes another share.
type share struct {
	r    *Relay
	key  shareKey
	id   string // under which this share joins the run; see proxy.Runs
	call proxy.Call
	most int // maximum bytes of an event

	settled chan struct{} // closed once the outcome of the opening is known
	opened  int64         // then: the number of the event that says so
	err     error         // then: why it is not open

	// Guarded by r.mu.
	seats   int
	retired bool

	empty chan struct{} // holds one signal once the last listener has left
	look  chan struct{} // holds one signal once other nodes must be asked whether they want the upstream
}

type shareKey struct {
	tenant tenants.TenantID
	run    string
}

// refusal is an upstream's failure, kept for a moment, so that a crowd causes one attempt.
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
	// After is the position at which a listener without a cursor starts.
	After int64
	share *share
}

// Join adds a listener to a shared upstream, which is opened unless it is open here or on another node. Errors are
// those of Private. ctx bounds the opening only. The caller must call Leave in the end.
func (r *Relay) Join(
	ctx context.Context, tenant tenants.TenantID, call proxy.Call, eventBytes int,
) (*Seat, error) {
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
			return nil, tenants.Errorf(tenants.Unavailable, "draining",
				"this node is going out of service; another node serves the request")
		}
		sh = &share{
			r: r, key: key, id: tenants.NewID(""), call: call, most: eventBytes,
			settled: make(chan struct{}), empty: make(chan struct{}, 1), look: make(chan struct{}, 1),
		}
		r.shares[key] = sh
		r.work.Go(sh.loop)
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
		return nil, tenants.Errorf(tenants.Unavailable, "upstream_opening",
			"the upstream is not open yet; try again later")
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

// Leave gives the seat up. It does not block. The upstream is closed with the last seat of all nodes.
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

// LetGo notes that another node has no listeners of the run any more.
func (r *Relay) LetGo(tenant tenants.TenantID, run string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if sh := r.shares[shareKey{tenant, run}]; sh != nil {
		signal(sh.look)
	}
}

// settle reports the outcome of the opening to the waiting callers; only the first report counts.
func (sh *share) settle(opened int64, err error) {
	select {
	case <-sh.settled:
	default:
		sh.opened, sh.err = opened, err
		close(sh.settled)
	}
}

// retire removes the share from the relay, so that the next listener starts anew. It returns false if there are
// listeners, unless over is true.
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

// refuse keeps the error of an opening for a moment.
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
