package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

var simTenant = tenants.TenantID(tenants.DerivedID(tenants.PrefixTenant, "sim"))

// world is a queue, appenders, a log and a hub with subscribers that come, stall, break off and come back with their
// cursor.
//
// A seed's day is either rough (calls fail, freeze and lie, notices are lost) or quiet (calls are slow, torn and
// repeated, and nothing fails). On both, each subscriber must see every number after its cursor once and in order, as
// the log has it. On a quiet day it must also see it in time: then the order of interest and log delivers an event,
// without help from anti-entropy.
type world struct {
	seed  uint64
	rough bool
	defect
	table *tenantstest.Table
	queue *tenantstest.Queue
	hub   *Hub

	mu        sync.Mutex
	committed map[string]map[int64]time.Time // by channel
	faults    []string
	sends     uint64
}

// defect is planted by a test, outside of the hub.
type defect struct {
	lateInterest bool                                     // interest is written after the log was read
	staleTail    bool                                     // the hub reads the log as it was up to a minute ago
	spoil        func(op tenants.Op) (changed tenants.Op) // of the appenders' table
}

const inTime = 2 * time.Second

var simChannels = []string{"a", "b", "c", "d"}

func (w *world) found(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// rng returns the random numbers of one part of the world.
func (w *world) rng(part uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, part)) }

// away returns a duration up to most, and once in n times one that is long enough for topics to be removed.
func away(rng *rand.Rand, n int, most time.Duration) time.Duration {
	if rng.IntN(n) == 0 {
		return upTo(rng, 12*time.Second)
	}
	return upTo(rng, most)
}

func upTo(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }

// ledger is the appenders' table: it notes when a log row was committed, and plants the defect.
type ledger struct {
	tenants.Table
	w *world
}

func (l ledger) Write(ctx context.Context, ops ...tenants.Op) error {
	ops = l.w.spoiled(ops)
	err := l.Table.Write(ctx, ops...)
	if err == nil {
		l.w.commit(ops)
	}
	return err
}

func (l ledger) WriteEach(ctx context.Context, ops ...tenants.Op) (int, error) {
	ops = l.w.spoiled(ops)
	done, err := l.Table.WriteEach(ctx, ops...)
	l.w.commit(ops[:done])
	return done, err
}

func (w *world) spoiled(ops []tenants.Op) []tenants.Op {
	changed := make([]tenants.Op, len(ops))
	for i, o := range ops {
		if changed[i] = o; w.spoil != nil {
			changed[i] = w.spoil(o)
		}
	}
	return changed
}

func (w *world) commit(ops []tenants.Op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range ops {
		channel, ok := strings.CutPrefix(string(o.Row.Kind), "log/")
		var seq int64
		if _, err := fmt.Sscanf(o.Row.Sort, "%d", &seq); !ok || err != nil {
			continue
		}
		if w.committed[channel] == nil {
			w.committed[channel] = map[int64]time.Time{}
		}
		if w.committed[channel][seq].IsZero() {
			w.committed[channel][seq] = time.Now()
		}
	}
}

// Send delivers to the node's inbox: slowly, sometimes twice, and on a rough day sometimes not at all.
func (w *world) Send(ctx context.Context, node string, ns ...tenants.InboxMessage) error {
	w.mu.Lock()
	w.sends++
	rng := w.rng(100 + w.sends)
	w.mu.Unlock()
	time.Sleep(upTo(rng, 20*time.Millisecond))
	if w.rough && rng.IntN(5) == 0 {
		if rng.IntN(2) == 0 {
			return tenants.Errorf(tenants.Unavailable, "simulated", "the inbox does not answer")
		}
		return nil // lost on the way
	}
	if rng.IntN(4) == 0 {
		w.hub.Send(ctx, node, ns...)
	}
	return w.hub.Send(ctx, node, ns...)
}

// nodeLog and nodeInterest are the hub's, and plant the defects of the node's side.
type nodeLog struct {
	*eventlog.Log
	w     *world
	in    *node.Interest
	mu    sync.Mutex
	late  map[string]func()
	tails map[string]int64
}

func (l *nodeLog) Register(ctx context.Context, node string, expires time.Time, t tenants.TenantID, channel string,
	subscribers int) error {
	if l.w.lateInterest {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.late[channel] = func() {
			time.Sleep(200 * time.Millisecond)
			l.in.Register(context.Background(), node, expires, t, channel, subscribers)
		}
		return nil
	}
	return l.in.Register(ctx, node, expires, t, channel, subscribers)
}

func (l *nodeLog) Drop(ctx context.Context, node string, t tenants.TenantID, channel string) error {
	return l.in.Drop(ctx, node, t, channel)
}

func (l *nodeLog) Read(ctx context.Context, t tenants.TenantID, channel string, after int64, limit int,
	r tenants.Retention) (eventlog.Page, error) {
	p, err := l.Log.Read(ctx, t, channel, after, limit, r)
	l.mu.Lock()
	late := l.late[channel]
	delete(l.late, channel)
	if l.w.staleTail && err == nil {
		if _, known := l.tails[channel]; !known {
			l.tails[channel] = p.Tail
			time.AfterFunc(time.Minute, func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				delete(l.tails, channel)
			})
		}
		p.Tail = max(min(p.Tail, l.tails[channel]), after)
		for n := len(p.Events); n > 0 && p.Events[n-1].Seq > p.Tail; n-- {
			p.Events = p.Events[:n-1]
		}
	}
	l.mu.Unlock()
	if late != nil {
		late()
	}
	return p, err
}

// check compares a number with the log.
func (w *world) check(channel string, seq int64, data string) {
	row := w.row(channel, seq)
	if e, err := tenants.DecodeEvent(row.Body); err != nil || string(e.Data) != data {
		w.found("number %d of %s came as %s and is %s in the log (%v)", seq, channel, data, e.Data, err)
	}
}

// row reads a log row and retries until that succeeds.
func (w *world) row(channel string, seq int64) tenants.Row {
	for {
		row, err := w.table.Get(context.Background(),
			tenants.Key{Tenant: simTenant, Kind: tenants.Kind("log/" + channel), Sort: fmt.Sprintf("%019d", seq)})
		if err == nil || tenants.KindOf(err) == tenants.NotFound {
			return row
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func simulate(t *testing.T, seed uint64, d defect) (faults []string) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{seed: seed, rough: seed%2 == 1, defect: d, committed: map[string]map[int64]time.Time{}}
		w.run()
		faults = w.faults
	})
	return faults
}

func (w *world) run() {
	f := tenantstest.Faults{Seed: w.seed, Latency: 10 * time.Millisecond, Torn: 0.3, Lapsed: 0.1, Twice: 0.1}
	if w.rough {
		f.Lost, f.Stored, f.Unread, f.Frozen, f.FrozenFor = 0.05, 0.05, 0.05, 0.01, 20*time.Second
	}
	rng := w.rng(1)
	w.table = tenantstest.NewTable(f)
	w.queue = tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: 5 * time.Second, Faults: f})
	log := &nodeLog{Log: eventlog.New(w.table), w: w, in: node.NewInterest(w.table), late: map[string]func(){},
		tails: map[string]int64{}}
	w.hub = New(Options{Log: log, Interest: log, Node: "nod_1", Linger: 500 * time.Millisecond, Ring: 1 + rng.IntN(12),
		Workers: 2, Readers: 4, UnsentAge: time.Hour})
	defer w.hub.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var running, sending sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		table := ledger{w.table, w}
		a := intake.NewAppender(eventlog.New(table), node.NewInterest(table), w, w.queue)
		running.Go(func() { a.Run(ctx, 1) })
	}
	var visitors []*visitor
	for i := range 4 {
		v := &visitor{w: w, name: fmt.Sprintf("visitor %d", i), quick: i%2 == 0, ids: map[string]bool{}}
		for _, at := range rng.Perm(len(simChannels))[:1+rng.IntN(2)] {
			v.channels = append(v.channels, simChannels[at])
		}
		if rng.IntN(2) == 0 { // from the start; else from now on
			v.at = make([]int64, len(v.channels))
			v.cursor = string(tenants.AppendCursor(nil, tenants.CursorSeed(v.channels), v.at))
		}
		visitors = append(visitors, v)
		random := w.rng(uint64(10 + i))
		sending.Go(func() { v.visit(stop, random) })
	}
	var senders sync.WaitGroup
	for i := range 3 {
		random := w.rng(uint64(20 + i))
		senders.Go(func() { w.send(i, random) })
	}
	senders.Wait()
	close(stop)
	sending.Wait()
	for w.queue.Len() > 0 {
		time.Sleep(time.Second)
	}
	quiet := 5 * time.Second // nothing failed: everything has arrived
	if w.rough {
		quiet = 3 * time.Minute
	}
	time.Sleep(quiet)
	cancel()
	running.Wait()
	for _, v := range visitors {
		if v.conn != nil {
			v.leave()
			v.wantAll()
		}
	}
}

// send enqueues some events on channels of its choice.
func (w *world) send(sender int, rng *rand.Rand) {
	for i := range 3 + rng.IntN(6) {
		time.Sleep(away(rng, 8, 600*time.Millisecond))
		channel := simChannels[rng.IntN(len(simChannels))]
		data := fmt.Sprintf("%d/%d", sender, i)
		e := tenants.Event{ID: tenants.DerivedID(tenants.PrefixEvent, data), Tenant: simTenant, Channel: channel,
			Type: "t", Data: []byte(data), Time: time.Now()}
		m := tenants.Message{Group: channel, Dedupe: e.ID, Body: tenants.EncodeEvent(e)}
		for w.queue.Send(context.Background(), m) != nil {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func TestSimulation(t *testing.T) {
	for seed := range depth.Schedules() {
		if faults := simulate(t, seed, defect{}); faults != nil {
			t.Fatalf("seed %d: %d faults: %.2000s", seed, len(faults), strings.Join(faults, "\n"))
		}
	}
}

// The simulation is useful only if it finds planted defects.
func TestSimulationFindsPlantedFaults(t *testing.T) {
	unchecked := func(kind tenants.Kind) func(tenants.Op) tenants.Op {
		return func(o tenants.Op) tenants.Op {
			if strings.HasPrefix(string(o.Row.Kind), string(kind)) && o.If.IsAbsent() {
				o.If = tenants.Anything()
			}
			return o
		}
	}
	for name, d := range map[string]defect{
		"interest written after the log was read": {lateInterest: true},
		"a stale tail at the node":                {staleTail: true},
		// the row's condition keeps it from doing harm
		"a stale tail at the appender": {spoil: unchecked("log/")},
		"a claim not checked":          {spoil: unchecked("evt")},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(1000) {
				if faults := simulate(t, seed, d); faults != nil {
					t.Logf("found by seed %d: %s", seed, faults[0])
					return
				}
			}
			t.Error("1000 schedules did not find it")
		})
	}
}
