package delivery_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
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
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// stored simulates the way from the queue to subscribers: senders, two appender processes over a faulty queue and
// table, and nodes that come and go. Nothing repairs later what a subscriber misses: it must receive each event
// through the order in which interest and log are written and read.
type stored struct {
	seed   uint64
	table  tenants.Table
	raw    *tenantstest.Table
	queue  *tenantstest.Queue
	nodes  map[string]*simNode
	late   bool // a planted fault: the subscriber writes its interest after it has read the log
	mu     sync.Mutex
	faults []string
}

const simChannel = "orders"

func (d *stored) found(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, fmt.Sprintf(format, args...))
}

// simNode is a node with one subscriber.
type simNode struct {
	name string
	wake chan struct{}

	mu    sync.Mutex
	inbox []tenants.InboxMessage

	log    *eventlog.Log
	cursor int64
	got    []tenants.Event
}

// Send fulfils tenants.Inboxes.
func (d *stored) Send(_ context.Context, node string, ns ...tenants.InboxMessage) error {
	n := d.nodes[node]
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inbox = append(n.inbox, ns...)
	select {
	case n.wake <- struct{}{}:
	default:
	}
	return nil
}

// subscribe connects after a while, disconnects once, connects again and stays to the end.
func (d *stored) subscribe(ctx context.Context, n *simNode, rng *rand.Rand) {
	in := node.NewInterest(d.table)
	for stay := range 2 {
		time.Sleep(time.Duration(rng.IntN(400)) * time.Millisecond)
		life, cancel := ctx, context.CancelFunc(func() {})
		if stay == 0 {
			life, cancel = context.WithTimeout(ctx, time.Duration(rng.IntN(400))*time.Millisecond)
		}
		register := func() {
			rig.Again(func() error {
				return in.Register(context.Background(), n.name, time.Now().Add(24*time.Hour), rig.LogTenant,
					simChannel, 1)
			})
		}
		if !d.late {
			register()
		}
		d.catchUp(n)
		if d.late {
			register()
		}
		d.serve(life, n)
		cancel()
		if stay == 0 {
			rig.Again(func() error { return in.Drop(context.Background(), n.name, rig.LogTenant, simChannel) })
			n.mu.Lock()
			n.inbox = nil
			n.mu.Unlock()
		}
	}
}

// catchUp reads the log from the cursor to the tail.
func (d *stored) catchUp(n *simNode) {
	for {
		var p eventlog.Page
		rig.Again(func() (err error) {
			p, err = n.log.Read(context.Background(), rig.LogTenant, simChannel, n.cursor, 5, tenants.Retention{})
			return err
		})
		if p.Gap != nil {
			d.found("%s: got a gap from %d to %d, want none", n.name, p.Gap.From, p.Gap.To)
		}
		n.got = append(n.got, p.Events...)
		if n.cursor = p.Cursor(n.cursor); n.cursor == p.Tail {
			return
		}
	}
}

// serve handles notices until ctx ends.
func (d *stored) serve(ctx context.Context, n *simNode) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		}
		n.mu.Lock()
		notices := n.inbox
		n.inbox = nil
		n.mu.Unlock()
		for _, notice := range notices {
			for _, e := range notice.Events {
				if e.Seq > n.cursor+1 {
					d.catchUp(n)
				}
				if e.Seq == n.cursor+1 {
					n.got, n.cursor = append(n.got, e), e.Seq
				}
			}
		}
	}
}

// run runs the schedule of the seed and returns the faults that it found.
func (d *stored) run(t *testing.T) []string {
	rng := rand.New(rand.NewPCG(d.seed, 3))
	ctx, cancel := context.WithCancel(context.Background())
	var running, sending sync.WaitGroup
	for i := range 3 {
		n := &simNode{name: fmt.Sprintf("nod_%d", i), wake: make(chan struct{}, 1), log: eventlog.New(d.table)}
		if d.nodes == nil {
			d.nodes = make(map[string]*simNode)
		}
		d.nodes[n.name] = n
	}
	for _, n := range d.nodes {
		rng := rand.New(rand.NewPCG(d.seed, uint64(n.name[4])))
		running.Go(func() { d.subscribe(ctx, n, rng) })
	}
	for range 2 {
		a := intake.NewAppender(eventlog.New(d.table), node.NewInterest(d.table), d, d.queue)
		running.Go(func() { a.Run(ctx, 2) })
	}
	var sent []tenants.Event
	for _, sender := range []string{"a", "b", "c"} {
		events := rig.Made(sender, 2+rng.IntN(6))
		sent = append(sent, events...)
		rng := rand.New(rand.NewPCG(d.seed, uint64(sender[0])))
		sending.Go(func() {
			for _, e := range events {
				time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
				m := rig.Message(simChannel, e)
				m.Dedupe = hex.EncodeToString([]byte(e.ID))
				rig.Again(func() error { return d.queue.Send(context.Background(), m) })
			}
		})
	}
	sending.Wait()
	for d.queue.Len() > 0 {
		time.Sleep(time.Second)
	}
	time.Sleep(5 * time.Minute) // longer than anything is frozen
	cancel()
	running.Wait()

	d.faults = append(d.faults, rig.FaultsOfLog(t, rig.Patient{Table: d.raw}, simChannel, sent)...)
	stored := rig.DataOf(rig.Whole(t, eventlog.New(rig.Patient{Table: d.raw}), simChannel))
	for _, sender := range []string{"a", "b", "c"} {
		var order []string
		for _, s := range stored {
			if strings.HasPrefix(s, sender) {
				order = append(order, s)
			}
		}
		if want := rig.DataOf(rig.Made(sender, len(order))); !slices.Equal(order, want) {
			d.found("the order of %s is %q, want %q", sender, order, want)
		}
	}
	for name, n := range d.nodes {
		if got := rig.DataOf(n.got); !slices.Equal(got, stored) {
			d.found("%s received %q, want %q", name, got, stored)
		}
	}
	return d.faults
}

func simulateDelivery(t *testing.T, seed uint64, late bool, spoil func(tenants.Table) tenants.Table) (faults []string) {
	synctest.Test(t, func(t *testing.T) {
		f := rig.BadDays(seed)
		f.Lapsed, f.Twice = 0.1, 0.1
		raw := tenantstest.NewTable(f)
		d := &stored{seed: seed, raw: raw, table: spoil(raw), late: late,
			queue: tenantstest.NewQueue(tenantstest.QueueOptions{Faults: f})}
		faults = d.run(t)
	})
	return faults
}

func TestDelivery(t *testing.T) {
	for seed := range depth.Schedules() {
		if faults := simulateDelivery(t, seed, false, rig.Honest); faults != nil {
			t.Fatalf("seed %d: got %q, want no fault", seed, faults)
		}
	}
}

func TestDeliveryFindsPlantedFaults(t *testing.T) {
	for name, plant := range map[string]struct {
		late  bool
		spoil func(tenants.Table) tenants.Table
	}{
		"interest written after the log was read": {true, rig.Honest},
		"a row put whether its number is taken or not (a stale tail)": {false,
			rig.Unchecked("log/orders", rig.AnyCondition)},
		"a claim not checked": {false, rig.Unchecked("evt", tenants.Condition.IsAbsent)},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(2000) {
				if faults := simulateDelivery(t, seed, plant.late, plant.spoil); faults != nil {
					t.Logf("found by seed %d: %.200s", seed, fmt.Sprint(faults))
					return
				}
			}
			t.Error("2000 schedules found no fault, want the planted one")
		})
	}
}
