package hub

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/eventstream"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

// simNodes is several nodes, each a process with a hub of its own, appenders, and listeners that move from node to
// node with their cursor, while nodes are frozen, cut off and killed and inboxes are deleted.
//
// There is no anti-entropy: a listener gets its events by the order in which interest, lease and log are written and
// read. So each must have everything some time after the last fault, and everything once and in order at any time.
type simNodes struct {
	seed uint64
	hazard
	table   *tenantstest.Table
	inboxes *tenantstest.Inboxes
	queue   *tenantstest.Queue

	mu     sync.Mutex
	nodes  []*simNode
	faults []string
}

// hazard is a defect that a test plants outside of hub and node.
type hazard struct {
	deaf     bool          // a node under a new name does not write its interest again
	blind    bool          // or does not read its channels again
	early    time.Duration // a node registers this long before its inbox exists
	stale    bool          // the appenders remember which nodes have interest
	careless bool          // a node does not notice that its inbox is gone
}

// simNode is a node's process.
type simNode struct {
	*tenantstest.Process
	hub  *Hub
	node *node.Node
	stop context.CancelFunc
	done chan struct{}
}

func (h *simNodes) found(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

func persist(do func() error) {
	for failures := 0; do() != nil; failures++ {
		time.Sleep(50 * time.Millisecond)
	}
}

// open starts a node at index at.
func (h *simNodes) open() *simNode {
	p := tenantstest.NewProcess()
	in, table := p.Inboxes(h.inboxes), p.Table(h.table)
	d := &simNode{Process: p, done: make(chan struct{})}
	o := node.Options{Table: table, Inboxes: in, Maker: lateMaker{in, h.early}, Open: in.Open}
	if h.careless || h.early > 0 {
		o.Open = func(node string) tenants.Inbox { return carelessInbox{in.Open(node)} }
	}
	d.node = node.New(o)
	persist(func() error { return d.node.Join(context.Background()) })
	interest := node.NewInterest(table)
	d.hub = New(Options{
		Log: eventlog.New(table), Interest: interest, Node: d.node.ID(), Lease: d.node.InterestUntil,
		Linger: time.Second, AntiEntropy: 1000 * time.Hour,
		Workers: 2, Readers: 4, UnsentAge: time.Hour,
	})
	var ctx context.Context
	ctx, d.stop = context.WithCancel(context.Background())
	go func() {
		d.node.Run(ctx, spoiltHub{d.hub, h, interest})
		close(d.done)
	}()
	return d
}

func (d *simNode) close() {
	d.stop()
	d.Mend()
	d.Thaw()
	<-d.done
	d.node.Leave(context.Background())
	d.hub.Close()
}

func (h *simNodes) pick(rng *rand.Rand) *simNode {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.nodes[rng.IntN(len(h.nodes))]
}

// mishap injects a fault into a node.
func (h *simNodes) mishap(rng *rand.Rand) {
	h.mu.Lock()
	at := rng.IntN(len(h.nodes))
	d := h.nodes[at]
	h.mu.Unlock()
	switch rng.IntN(4) {
	case 0:
		d.Freeze()
		time.Sleep(upTo(rng, time.Minute))
		d.Thaw()
	case 1:
		d.Cut()
		time.Sleep(upTo(rng, time.Minute))
		d.Mend()
	case 2:
		h.inboxes.Delete(context.Background(), d.node.ID())
	case 3:
		next := h.open()
		h.mu.Lock()
		h.nodes[at] = next
		h.mu.Unlock()
		d.Kill()
		d.close()
	}
}

// listener is a client of one channel over all of its connections. It is their sink.
type listener struct {
	h       *simNodes
	name    string
	channel string
	cursor  string
	got     []string // "number data"

	conn *Conn
	// Guarded by the connection's mu.
	buffer []byte
	over   bool
}

func (l *listener) write(b []byte) (int, bool, error) {
	if l.over {
		return 0, false, io.ErrClosedPipe
	}
	l.buffer = append(l.buffer, b...)
	return len(b), true, nil
}

func (l *listener) start() error { return nil }
func (l *listener) shutdown()    {}
func (l *listener) close()       { l.over = true }
func (l *listener) reset()       { l.close() }
func (l *listener) unsent() int  { return 0 }

// broken reports whether the connection is gone.
func (l *listener) broken() bool {
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	return l.over
}

func (l *listener) connect(d *simNode) bool {
	s := Subscription{Tenant: simTenant, Channels: []string{l.channel}, Format: sse.Data}
	var err error
	if s.Positions, err = tenants.ParseCursor(l.cursor, s.Channels); err != nil {
		l.h.found("%s: %v", l.name, err)
		return false
	}
	c, err := d.hub.Open(s)
	if err != nil {
		return false
	}
	l.conn, l.buffer, l.over = c, nil, false
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serve(l)
	return true
}

// leave takes the bytes that arrived and breaks the connection off.
func (l *listener) leave() {
	l.conn.mu.Lock()
	l.conn.left()
	l.conn.mu.Unlock()
	l.take()
}

// take takes the bytes that arrived.
func (l *listener) take() {
	l.conn.mu.Lock()
	d := eventstream.NewDecoder(bytes.NewReader(l.buffer), 1<<20)
	l.buffer = nil
	l.conn.mu.Unlock()
	for {
		e, err := d.Next()
		if err != nil {
			return
		}
		switch e.Name {
		case sse.Heartbeat, sse.Open:
		case "t":
			l.got = append(l.got, e.ID+" "+string(e.Data))
			l.cursor = e.ID
		default:
			l.h.found("%s: %s %s", l.name, e.Name, e.Data)
		}
	}
}

// listen moves from node to node until stop, and stays with the last one.
func (l *listener) listen(stop <-chan struct{}, rng *rand.Rand) {
	for {
		if l.connect(l.h.pick(rng)) {
			stay := time.After(upTo(rng, 40*time.Second))
			for again := true; again; {
				select {
				case <-stop:
					if !l.broken() {
						return
					}
					stop = nil // one more, and stay
					again = false
				case <-stay:
					again = stop == nil
				case <-time.After(500 * time.Millisecond):
					again = !l.broken()
				}
				if stop == nil && again {
					return
				}
			}
			l.leave()
		}
		time.Sleep(upTo(rng, time.Second))
	}
}

func (h *simNodes) run() {
	f := tenantstest.Faults{Seed: h.seed, Latency: 10 * time.Millisecond, Torn: 0.3, Lapsed: 0.1, Twice: 0.1}
	if h.seed%2 == 1 {
		f.Lost, f.Stored, f.Unread = 0.05, 0.05, 0.05
	}
	h.table, h.inboxes = tenantstest.NewTable(f), tenantstest.NewInboxes(f)
	h.queue = tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: 5 * time.Second, Faults: f})
	ctx, cancel := context.WithCancel(context.Background())
	for range 3 {
		h.nodes = append(h.nodes, h.open())
	}
	var running, working, listening sync.WaitGroup
	h.background(ctx, &running)
	stop := make(chan struct{})
	var listeners []*listener
	for i := range 4 {
		l := &listener{h: h, name: fmt.Sprintf("listener %d", i), channel: simChannels[i%2], cursor: "0"}
		listeners = append(listeners, l)
		listening.Go(func() { l.listen(stop, rand.New(rand.NewPCG(h.seed, uint64(10+i)))) })
	}
	for i := range 2 {
		rng := rand.New(rand.NewPCG(h.seed, uint64(20+i)))
		working.Go(func() { h.send(i, rng) })
	}
	mishaps := rand.New(rand.NewPCG(h.seed, 30))
	working.Go(func() {
		for range 4 {
			time.Sleep(upTo(mishaps, 20*time.Second))
			h.mishap(mishaps)
		}
	})
	working.Wait()
	close(stop)
	listening.Wait()
	for h.queue.Len() > 0 {
		time.Sleep(time.Second)
	}
	time.Sleep(90 * time.Second) // a lease, and a notice that was received and not passed on
	h.checkAll(listeners)
	h.send(2, rand.New(rand.NewPCG(h.seed, 40)))
	for h.queue.Len() > 0 {
		time.Sleep(time.Second)
	}
	time.Sleep(time.Minute)
	h.checkAll(listeners)
	for _, l := range listeners {
		l.leave()
	}
	cancel()
	running.Wait()
	for _, d := range h.nodes {
		d.close()
	}
	time.Sleep(10 * time.Second)
}

// background starts the appenders and the sweep, until ctx ends.
func (h *simNodes) background(ctx context.Context, running *sync.WaitGroup) {
	for range 2 {
		var table tenants.Table = h.table
		if h.stale {
			table = &staleInterest{Table: table, seen: map[tenants.Kind][]tenants.Row{}}
		}
		a := intake.NewAppender(eventlog.New(table), node.NewInterest(table), h.inboxes, h.queue)
		running.Go(func() { a.Run(ctx, 1) })
	}
	sweep := node.NewSweep(h.table, h.inboxes, h.inboxes)
	running.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Second):
				sweep.Run(ctx)
			}
		}
	})
}

// send enqueues some events on channels of its choice.
func (h *simNodes) send(sender int, rng *rand.Rand) {
	for i := range 12 {
		time.Sleep(upTo(rng, 15*time.Second))
		channel, data := simChannels[rng.IntN(2)], fmt.Sprintf("%d/%d", sender, i)
		e := tenants.Event{ID: tenants.DerivedID(tenants.PrefixEvent, data), Tenant: simTenant, Channel: channel,
			Type: "t", Data: []byte(data), Time: time.Now()}
		persist(func() error {
			return h.queue.Send(context.Background(),
				tenants.Message{Group: channel, Dedupe: e.ID, Body: tenants.EncodeEvent(e)})
		})
	}
}

func (h *simNodes) checkAll(listeners []*listener) {
	for _, l := range listeners {
		l.take()
		h.check(l)
	}
}

// check compares a listener's events with the log.
func (h *simNodes) check(l *listener) {
	var want []string
	for seq := int64(1); ; seq++ {
		var row tenants.Row
		var err error
		for {
			row, err = h.table.Get(context.Background(), tenants.Key{Tenant: simTenant,
				Kind: tenants.Kind("log/" + l.channel), Sort: fmt.Sprintf("%019d", seq)})
			if err == nil || tenants.KindOf(err) == tenants.NotFound {
				break
			}
		}
		if err != nil {
			break
		}
		e, err := tenants.DecodeEvent(row.Body)
		if err != nil {
			h.found("number %d: %v", seq, err)
		}
		want = append(want, fmt.Sprintf("%d %s", seq, e.Data))
	}
	if got := strings.Join(l.got, ", "); got != strings.Join(want, ", ") {
		h.found("%s of %s\nhas  %s\nwant %s", l.name, l.channel, got, strings.Join(want, ", "))
	}
}

func simulateNodes(t *testing.T, seed uint64, z hazard) []string {
	h := &simNodes{seed: seed, hazard: z}
	synctest.Test(t, func(*testing.T) { h.run() })
	return h.faults
}

func TestNodesSimulation(t *testing.T) {
	for seed := range max(depth.Schedules()/4, 1) {
		if faults := simulateNodes(t, seed, hazard{}); faults != nil {
			t.Fatalf("seed %d: %d faults: %.3000s", seed, len(faults), strings.Join(faults, "\n"))
		}
	}
}

func TestNodesSimulationFindsPlantedFaults(t *testing.T) {
	for name, z := range map[string]hazard{
		"interest not written again under a new name":        {deaf: true},
		"channels not read again under a new name":           {blind: true},
		"a node made known before its inbox":                 {early: 3 * time.Second},
		"interest read before the log row was committed":     {stale: true},
		"a node that does not notice that its inbox is gone": {careless: true},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(300) {
				if faults := simulateNodes(t, seed, z); faults != nil {
					t.Logf("found by seed %d: %.300s", seed, faults[0])
					return
				}
			}
			t.Error("300 schedules did not find it")
		})
	}
}
