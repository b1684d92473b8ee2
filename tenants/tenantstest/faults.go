package tenantstest

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Faults says what goes wrong and how often: rates are from 0 to 1, the zero value is a flawless engine. Whether a call is hit follows
// from Seed, the call's method and key, and how many such calls there were before. It does not follow from how goroutines interleave, so
// that a seed that failed fails again.
type Faults struct {
	Seed uint64

	Latency time.Duration // each call takes a random time up to this before it acts, and again before it returns

	Lost   float64 // a writing call fails, and did nothing; WriteEach did a part from the front, Send, Done and Release any part
	Stored float64 // a writing call fails, and did everything
	Unread float64 // a Get, Query or Receive fails

	Frozen    float64       // a call is held up, before it acts or before it returns
	FrozenFor time.Duration // for how long

	Torn     float64 // Table: a Query takes a while and has some of the rows that were written meanwhile, in any mixture
	Shuffled bool    // Feed: changes come in any order
	Repeated float64 // Feed: a change comes again although it was done

	Twice  float64 // Queue: a message comes again although it was done, once its visibility has passed
	Lapsed float64 // Queue: the visibility of what is received ends early
}

// Call is what a planned fault is chosen by.
type Call struct {
	Caller string        // as WithCaller named it
	Method string        // "Get", "Query", "Write", "WriteEach", "Send", "Receive", "Done", "Release"
	Keys   []tenants.Key // of a Table's call; Query's has no Sort
	Groups []string      // of a Queue's messages
}

// Outcome is how a call that fails really went.
type Outcome int

const (
	Lost   Outcome = iota + 1 // it did not happen
	Stored                    // it happened, and the reply was lost
)

// Moment is where a call is frozen.
type Moment int

const (
	BeforeActing    Moment = iota + 1 // what the caller wants has not happened; it does when the caller thaws
	BeforeReturning                   // it has happened; the caller does not know yet
)

type callerKey struct{}

// WithCaller names who calls, so that Freeze and Fail can choose one among several that make the same calls.
func WithCaller(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, callerKey{}, name)
}

// Trouble is the part of a simulation that makes things go wrong. Table and Queue embed it.
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

// Turn has calls from now on go as f says. One that is under way goes on as it began.
func (tr *Trouble) Turn(f Faults) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.faults = f
}

// Count returns how many calls of a method there were.
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

// Freeze holds up the next call that matches, as a stopped process would: it does not even notice that its ctx has ended.
func (tr *Trouble) Freeze(at Moment, match func(Call) bool) *Ice {
	ice := &Ice{at: at, reached: make(chan struct{}), thawed: make(chan struct{})}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.plans = append(tr.plans, &plan{match: match, ice: ice})
	return ice
}

// Ice is a call that Freeze holds up, or will.
type Ice struct {
	at      Moment
	reached chan struct{}
	thawed  chan struct{}
	once    sync.Once
}

// Reached is closed once a call is frozen.
func (i *Ice) Reached() <-chan struct{} { return i.reached }

// Thaw lets the call go on. It may be called before there is one.
func (i *Ice) Thaw() { i.once.Do(func() { close(i.thawed) }) }

// fate is what befalls one call. It is owned by the goroutine that makes the call.
type fate struct {
	faults  *Faults
	rng     *rand.Rand
	outcome Outcome
	unread  bool
	ice     *Ice
	frozen  Moment
	late    bool // it was frozen
}

// begin decides a call's fate and takes the time before it acts. An error means that the call must not act.
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
	faults := tr.faults // Turn may come meanwhile
	f := &fate{faults: &faults, rng: rand.New(rand.NewPCG(tr.faults.Seed, h.Sum64()+tr.rolls[k]))}

	// Every call draws the same numbers, whichever faults are on: turning one off leaves the others where they were.
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

// end takes the time before a call that acted returns, and returns what the caller is told: err, or that the outcome is unknown.
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

var errUnavailable = tenants.Errorf(tenants.Unavailable, "simulated", "the simulation let this call fail")

// pause takes the call's latency, then holds it up where it is to be frozen. It fails where ctx has ended.
func (f *fate) pause(ctx context.Context, at Moment) error {
	if f.faults.Latency > 0 {
		sleep(ctx, time.Duration(f.rng.Int64N(int64(f.faults.Latency))))
	}
	// What a stopped process had sent arrives, whoever still waits for it: a call that was frozen goes on.
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

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func newTrouble(f Faults) Trouble {
	return Trouble{faults: f, count: map[string]int{}, rolls: map[rollKey]uint64{}}
}
