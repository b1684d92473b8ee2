package tenantstest

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Faults says what fails and how often. Rates are from 0 to 1; the zero value is a flawless engine. Whether a call is
// affected depends on Seed, the call's method and key, and the number of such calls before it. It does not depend on
// how goroutines interleave, so a failing seed fails again.
type Faults struct {
	Seed uint64

	Latency time.Duration // upper bound of a random delay before each call acts, and again before it returns

	Lost   float64 // a write fails without effect; WriteEach has done a first part, Send, Done and Release any part
	Stored float64 // a write fails although it took full effect
	Unread float64 // a Get, Query or Receive fails

	Frozen    float64       // a call is held up before it acts or before it returns
	FrozenFor time.Duration // for how long

	Torn     float64 // Table: a Query takes time and returns any mixture of rows written meanwhile
	Shuffled bool    // Feed: changes come in any order
	Repeated float64 // Feed: a change repeats although it was done

	Twice  float64 // Queue: a message that was done repeats once its visibility has passed
	Lapsed float64 // Queue: the visibility of a received message ends early
}

// Call describes a call, for the choice of planned faults.
type Call struct {
	Caller string        // as WithCaller named it
	Method string        // "Get", "Query", "Write", "WriteEach", "Send", "Receive", "Done", "Release"
	Keys   []tenants.Key // keys of a Table's call; for Query without Sort
	Groups []string      // groups of a Queue's messages
}

// Outcome is the actual effect of a call that fails.
type Outcome int

const (
	Lost   Outcome = iota + 1 // it had no effect
	Stored                    // it took effect, and the reply was lost
)

// Moment is the point at which a call is frozen.
type Moment int

const (
	BeforeActing    Moment = iota + 1 // it has not taken effect; it does when thawed
	BeforeReturning                   // it has taken effect; the caller does not know yet
)

type callerKey struct{}

// WithCaller names the caller, so that Freeze and Fail can choose among callers that make the same calls.
func WithCaller(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, callerKey{}, name)
}

// Trouble is the part of a simulation that injects faults. Table and Queue embed it.
type Trouble struct {
	faults Faults

	mu    sync.Mutex
	count map[string]int // calls by method
	rolls map[rollKey]uint64
	plans []*plan
}

type rollKey struct{ method, key string }

type plan struct {
	match   func(Call) bool
	outcome Outcome
	ice     *Ice
}

// Turn sets the faults of future calls. A call in progress keeps its own.
func (tr *Trouble) Turn(f Faults) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.faults = f
}

// Count returns the number of calls of a method so far.
func (tr *Trouble) Count(method string) int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.count[method]
}

// Fail makes the next writing call that matches fail with kind Unavailable.
func (tr *Trouble) Fail(o Outcome, match func(Call) bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.plans = append(tr.plans, &plan{match: match, outcome: o})
}

// Freeze holds up the next call that matches, as a stopped process would: the call does not even notice that its ctx
// has ended.
func (tr *Trouble) Freeze(at Moment, match func(Call) bool) *Ice {
	ice := &Ice{at: at, reached: make(chan struct{}), thawed: make(chan struct{})}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.plans = append(tr.plans, &plan{match: match, ice: ice})
	return ice
}

// Ice is a call held up by Freeze, now or later.
type Ice struct {
	at      Moment
	reached chan struct{}
	thawed  chan struct{}
	once    sync.Once
}

// Reached is closed once a call is frozen.
func (i *Ice) Reached() <-chan struct{} { return i.reached }

// Thaw resumes the call. It may be called before the call is frozen.
func (i *Ice) Thaw() { i.once.Do(func() { close(i.thawed) }) }

// fate holds the faults of one call. It is owned by the goroutine that makes the call.
type fate struct {
	faults  *Faults
	rng     *rand.Rand
	outcome Outcome
	unread  bool
	ice     *Ice
	frozen  Moment
	late    bool // the call was frozen
}

// begin decides a call's fate and waits as long as it says before acting. An error means that the call must not act.
func (tr *Trouble) begin(ctx context.Context, c Call, key string) (*fate, error) {
	c.Caller, _ = ctx.Value(callerKey{}).(string)
	f := tr.decide(c, key)
	if err := f.pause(ctx, BeforeActing); err != nil {
		return f, err
	}
	return f, nil
}

func (tr *Trouble) decide(c Call, key string) *fate {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.count[c.Method]++
	k := rollKey{c.Method, key}
	tr.rolls[k]++
	h := fnv.New64a()
	h.Write([]byte(c.Method + "\x00" + key))
	faults := tr.faults // Turn may replace them during the call
	f := &fate{faults: &faults, rng: rand.New(rand.NewPCG(tr.faults.Seed, h.Sum64()+tr.rolls[k]))}

	// Every call draws the same numbers, whichever faults are enabled: disabling one does not move the others.
	fails, unread, frozen, when := f.rng.Float64(), f.rng.Float64(), f.rng.Float64(), f.rng.IntN(2)
	switch {
	case fails < tr.faults.Lost:
		f.outcome = Lost
	case fails < tr.faults.Lost+tr.faults.Stored:
		f.outcome = Stored
	}
	f.unread = unread < tr.faults.Unread
	if frozen < tr.faults.Frozen {
		f.frozen = BeforeActing + Moment(when)
	}
	kept := tr.plans[:0]
	for _, p := range tr.plans {
		switch {
		case p.outcome != 0 && f.outcome == 0 && p.match(c):
			f.outcome = p.outcome
		case p.ice != nil && f.ice == nil && p.match(c):
			f.ice = p.ice
		default:
			kept = append(kept, p)
		}
	}
	clear(tr.plans[len(kept):])
	tr.plans = kept
	return f
}

// end waits as long as the fate says before a call that acted returns, and returns what the caller is told: err, or
// that the outcome is unknown.
func (f *fate) end(ctx context.Context, err error) error {
	if late := f.pause(ctx, BeforeReturning); late != nil {
		return late
	}
	if f.outcome == Stored {
		return errUnavailable
	}
	return err
}

// endRead is end for calls that change nothing.
func (f *fate) endRead(ctx context.Context, err error) error {
	if late := f.pause(ctx, BeforeReturning); late != nil {
		return late
	}
	if f.unread {
		return errUnavailable
	}
	return err
}

var errUnavailable = tenants.Errorf(tenants.Unavailable, "simulated", "the simulation failed this call")

// pause waits for the call's latency, then holds the call up if it is to be frozen. It fails if ctx has ended.
func (f *fate) pause(ctx context.Context, at Moment) error {
	if f.faults.Latency > 0 {
		sleep(ctx, time.Duration(f.rng.Int64N(int64(f.faults.Latency))))
	}
	// The requests of a stopped process still arrive: a call that was frozen continues.
	if f.ice != nil && f.ice.at == at {
		close(f.ice.reached)
		<-f.ice.thawed
		f.late = true
	}
	if f.frozen == at {
		time.Sleep(f.faults.FrozenFor)
		f.late = true
	}
	if f.late {
		return nil
	}
	return ended(ctx)
}

func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", err)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) { _ = await(ctx, nil, d) }

// await returns when there is news, after d, or with an error when ctx ends.
func await(ctx context.Context, news <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-news:
	case <-t.C:
	case <-ctx.Done():
	}
	return ended(ctx)
}

func newTrouble(f Faults) Trouble {
	return Trouble{faults: f, count: map[string]int{}, rolls: map[rollKey]uint64{}}
}
