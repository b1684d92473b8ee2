package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kinds of faults. Each must have happened before the storm is over.
const (
	nodeKilled     = "streamer killed and replaced"
	nodeFrozen     = "streamer frozen past its lease"
	inboxDeleted   = "inbox deleted under a node"
	appendCrashed  = "append crashed with a batch"
	changesCrashed = "changes crashed with a batch"
	ingestCrashed  = "ingest crashed"
	batchAgain     = "batch of messages delivered twice"
	batchLate      = "batch delivered again, after later ones"
	noticeAgain    = "notice delivered twice"
	noticeLate     = "notice delayed"
	noticesTurned  = "notices in another order"
	recordsAgain   = "stream records delivered twice"
	throttled      = "DynamoDB throttled"
	storedFailed   = "stored but reported failed"
	queueDown      = "SQS server down for 10 s"
)

func faultKinds() []string {
	return []string{nodeKilled, nodeFrozen, inboxDeleted, appendCrashed, changesCrashed, ingestCrashed, batchAgain,
		batchLate,
		noticeAgain, noticeLate, noticesTurned, recordsAgain, throttled, storedFailed, queueDown}
}

const (
	stormNodes = 3
	// badTime is how long the delaying faults last in a round; the rest of it is calm. Messages that a crash or an
	// error leaves in the ingest queue return 30 s later, after the faults of their round: the bound on lateness
	// holds for one failure of an event.
	badTime    = 20 * time.Second
	roundTime  = 60 * time.Second
	frozenTime = 26 * time.Second // a little more than a lease's 25 s
	downTime   = 10 * time.Second
)

// strike is one fault of a schedule: a single event, or a period in which it strikes a share of the operations.
type strike struct {
	what      string
	at, lasts time.Duration
	which     int     // the node, or the stage at which a function crashes
	share     float64 // 0 to 1
}

func (s strike) String() string {
	return fmt.Sprintf("%6.2fs %5.2fs  which %d  share %.2f  %s", s.at.Seconds(), s.lasts.Seconds(), s.which,
		s.share, s.what)
}

// schedule returns the faults of that many rounds for a seed.
func schedule(seed uint64, rounds int) (all []strike) {
	r := rand.New(rand.NewPCG(seed, 0x5707))
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(r.Int64N(int64(to-from))) }
	for round := range rounds {
		start := time.Duration(round) * roundTime
		add := func(what string, at, lasts time.Duration, which int, share float64) {
			all = append(all, strike{what, start + at, lasts, which, share})
		}
		nodes := r.Perm(stormNodes)
		add(nodeFrozen, between(time.Second, 3*time.Second), frozenTime, nodes[0], 0)
		add(nodeKilled, between(4*time.Second, badTime), 0, nodes[1], 0)
		add(inboxDeleted, between(3*time.Second, badTime), 0, nodes[2], 0)
		add(queueDown, between(4*time.Second, badTime-downTime), downTime, 0, 0)
		for stage := range crashStages {
			add(appendCrashed, between(time.Second, badTime-2*time.Second), 0, stage, 0)
			add(changesCrashed, between(time.Second, badTime), 0, 0, 0)
		}
		for range 2 {
			add(ingestCrashed, between(time.Second, badTime), 0, 0, 0)
			add(storedFailed, between(time.Second, badTime-5*time.Second), between(2*time.Second, 5*time.Second),
				0, 0.05+0.2*r.Float64())
		}
		for range 3 {
			add(throttled, between(time.Second, badTime-3*time.Second), between(time.Second, 3*time.Second),
				0, 0.4+0.6*r.Float64())
		}
		for _, what := range []string{batchAgain, batchLate, noticeAgain, noticeLate, noticesTurned, recordsAgain} {
			add(what, 0, badTime, 0, 0.1+0.2*r.Float64())
		}
	}
	slices.SortStableFunc(all, func(a, b strike) int { return cmp.Compare(a.at, b.at) })
	return all
}

// weather holds the current faults, and counts those that happened.
type weather struct {
	mu    sync.Mutex
	chaos *rand.Rand
	share map[string]float64 // by kind: the share of operations that it strikes now
	count map[string]int     // by kind: how often it happened
	crash map[string][]int   // by function: the stages at which it must crash
}

func newWeather(seed uint64) *weather {
	return &weather{chaos: rand.New(rand.NewPCG(seed, 0xd1ce)), share: make(map[string]float64),
		count: make(map[string]int), crash: make(map[string][]int)}
}

// set makes the fault strike a share of the operations, 0 to 1.
func (w *weather) set(what string, share float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.share[what] = share
}

// strikes decides whether the fault strikes the current operation.
func (w *weather) strikes(what string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.share[what] > 0 && w.chaos.Float64() < w.share[what]
}

// happened counts the fault.
func (w *weather) happened(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count[what]++
}

func (w *weather) counted(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count[what]
}

// below returns a random number from 0 to n-1.
func (w *weather) below(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.chaos.IntN(n)
}

// table returns how often each fault happened, and the faults that never did.
func (w *weather) table() (lines string, never []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, what := range faultKinds() {
		fmt.Fprintf(&b, "%6d  %s\n", w.count[what], what)
		if w.count[what] == 0 {
			never = append(never, what)
		}
	}
	return b.String(), never
}
