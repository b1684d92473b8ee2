package delivery_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

var postSeed = flag.Uint64("post", 0, "the seed of the simulation of deliveries; 0: a random one")

var postEvents = flag.Int("post-events", 0,
	"the events of each of its three tenants, for 20 endpoints each; 0: 167 with HOOKCAST_TESTS=all, else 20")

// simulation delivers events of some tenants to many endpoints, which fail in every possible way, by processes that
// crash or are told to end, over faulty storage.
type simulation struct {
	seed      uint64
	table     *tenantstest.Table
	ready     *tenantstest.Queue
	waiting   *tenantstest.Queue
	book      *rig.Book
	receivers *rig.Receivers
	endpoints []endpoint.Endpoint
	events    map[tenants.TenantID][]tenants.Event // as they are stored
	faulty    func(*simulation, tenants.Sender) tenants.Sender
	end       time.Time
}

// mortal is a queue that fails once the process has been killed.
type mortal struct {
	tenants.Queue
	p *tenantstest.Process
}

func (q mortal) dead() error {
	if q.p.Killed() {
		return tenants.Errorf(tenants.Unavailable, "killed", "the process is dead")
	}
	return nil
}

func (q mortal) Send(ctx context.Context, ms ...tenants.Message) error {
	if err := q.dead(); err != nil {
		return err
	}
	return q.Queue.Send(ctx, ms...)
}

func (q mortal) Receive(ctx context.Context, most int, wait time.Duration) ([]tenants.Received, error) {
	if err := q.dead(); err != nil {
		return nil, err
	}
	return q.Queue.Receive(ctx, most, wait)
}

func (q mortal) Done(ctx context.Context, rs ...tenants.Received) error {
	if err := q.dead(); err != nil {
		return err
	}
	return q.Queue.Done(ctx, rs...)
}

func (q mortal) Release(ctx context.Context, delay time.Duration, rs ...tenants.Received) error {
	if err := q.dead(); err != nil {
		return err
	}
	return q.Queue.Release(ctx, delay, rs...)
}

// The manners of endpoints, by the number in their name modulo manners. The others answer at random.
const (
	manners  = 10
	slow     = 3 // answers after nine seconds
	down     = 4 // accepts nothing for two hours, and then everything
	never    = 5 // accepts nothing at all
	throttle = 6 // has a rate
	busyDoor = 7 // answers 429 now and then
)

// answering returns the receivers' answers, which follow from the seed, the endpoint, the event and n.
func (o *simulation) answering(manner map[string]int, begin time.Time) rig.Behavior {
	return func(endpoint, event string, n int) (tenants.Answer, time.Duration) {
		h := tenants.DerivedID("", endpoint, event, fmt.Sprint(n))
		rng := rand.New(rand.NewPCG(o.seed, uint64(h[3])<<24|uint64(h[4])<<16|uint64(h[5])<<8|uint64(h[6])))
		took := time.Duration(rng.IntN(200)) * time.Millisecond
		switch manner[endpoint] {
		case slow:
			return rig.Status(200), 9 * time.Second
		case never:
			return rig.Status(503), took
		case throttle:
			return rig.Status(200), took
		case down:
			if time.Since(begin) < 2*time.Hour {
				return tenants.Answer{Failure: tenants.FailureConnect}, time.Millisecond
			}
			return rig.Status(204), took
		case busyDoor:
			if rng.IntN(4) == 0 {
				return tenants.Answer{Status: 429, Connected: true,
					RetryAfter: time.Duration(rng.IntN(90)) * time.Second}, took
			}
			return rig.Status(200), took
		}
		switch rng.IntN(16) {
		case 0:
			return tenants.Answer{Failure: tenants.FailureReset, Connected: true}, took
		case 1:
			return tenants.Answer{}, time.Hour // hangs
		case 2:
			return tenants.Answer{Status: 500, Connected: true, Body: make([]byte, tenants.MaxAnswerBody),
				Truncated: true}, took
		case 3:
			return tenants.Answer{Status: 302, Connected: true,
				Header: map[string][]string{"Location": {"https://elsewhere.example/"}}}, took
		case 4:
			return tenants.Answer{Failure: tenants.FailureResponse, Connected: true}, took
		case 5:
			return rig.Status(200), 10 * time.Second // a slow body
		case 6:
			return tenants.Answer{Status: 503, Connected: true, RetryAfter: 2 * time.Minute}, took
		case 7:
			return tenants.Answer{Failure: tenants.FailureConnect}, took
		}
		return tenants.Answer{Status: 200, Connected: true, Body: []byte("ok")}, took
	}
}

// newSimulation returns the simulation of a seed: three tenants, each with so many endpoints.
func newSimulation(seed uint64, each int) *simulation {
	faults := tenantstest.Faults{
		Seed: seed, Latency: 20 * time.Millisecond, Lost: 0.01, Stored: 0.01, Unread: 0.01, Torn: 0.1, Shuffled: true,
		Repeated: 0.05, Twice: 0.02,
	}
	o := &simulation{seed: seed, table: tenantstest.NewTable(faults), book: rig.NewBook(),
		events: make(map[tenants.TenantID][]tenants.Event)}
	o.ready = tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: 2 * time.Minute, Faults: faults})
	faults.Lapsed = 0.01
	o.waiting = tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: 2 * time.Minute, Faults: faults})
	manner := make(map[string]int)
	for i := range 3 * each {
		ep := rig.EndpointOf(fmt.Sprint("outing", i), func(e *endpoint.Endpoint) {
			e.Tenant = rig.OutingTenant(i % 3)
			e.Schedule = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute,
				20 * time.Minute, time.Hour}
			switch k := i / 3; {
			case k%manners == never:
				e.Schedule = []time.Duration{time.Second, time.Minute}
			case k%manners == throttle:
				e.PerSecond = 2
			case k%2 == 0:
				e.Ordered = true
			case k%manners == 9:
				e.Schedule = nil
				e.Concurrency = 1
			}
		})
		o.endpoints = append(o.endpoints, ep)
		o.book.Set(ep)
		manner[ep.ID] = i / 3 % manners
	}
	o.receivers = &rig.Receivers{Answer: o.answering(manner, time.Now())}
	return o
}

// process starts a process that delivers, and returns a function that kills it or tells it to end.
func (o *simulation) process(feed tenants.Feed, rng *rand.Rand) (end func(kill bool)) {
	p := tenantstest.NewProcess()
	table := p.Table(o.table)
	var mu sync.Mutex
	box := &delivery.Outbox{
		Table: table, Log: eventlog.New(table), Endpoints: o.book, Ready: mortal{o.ready, p},
		Waiting: mortal{o.waiting, p}, Tenants: &rig.NoLimits{},
		Random: func() float64 {
			mu.Lock()
			defer mu.Unlock()
			return rng.Float64()
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	var sender tenants.Sender = o.receivers
	if o.faulty != nil {
		sender = o.faulty(o, sender)
	}
	var all sync.WaitGroup
	all.Go(func() { delivery.NewDeliverer(box, sender).Run(ctx, 24) })
	if feed != nil {
		all.Go(func() { delivery.NewDispatcher(box).Run(ctx, feed) })
	}
	return func(kill bool) {
		if kill {
			p.Kill()
		}
		cancel()
		all.Wait()
	}
}

// run publishes so many events of each tenant in three channels, ends processes while they work, and waits until the
// queues are empty.
func (o *simulation) run(t *testing.T, each int) {
	rng := rand.New(rand.NewPCG(o.seed, 7))
	feed := o.table.Feed()
	random := func() *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), 1)) }
	ends := []func(kill bool){o.process(feed, random()), o.process(nil, random()), o.process(nil, random())}
	for i := range each {
		for k := range 3 {
			tenant, channel := rig.OutingTenant(k), fmt.Sprint("channel-", i%3)
			data := fmt.Sprintf("%d-%d", k, i)
			e := tenants.Event{ID: tenants.DerivedID(tenants.PrefixEvent, data), Type: "test", Data: []byte(data),
				Time: time.Now().UTC()}
			stored, err := eventlog.New(rig.Patient{Table: o.table}).Append(context.Background(), tenant, channel,
				[]tenants.Event{e})
			if err != nil && tenants.KindOf(err) == tenants.Unavailable {
				rig.Again(func() (err error) {
					stored, err = eventlog.New(rig.Patient{Table: o.table}).Append(context.Background(), tenant,
						channel, []tenants.Event{e})
					return err
				})
			}
			o.events[tenant] = append(o.events[tenant], stored...)
		}
		time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond)
		if i%15 == 14 {
			at := rng.IntN(3)
			ends[at](rng.IntN(2) == 0)
			var f tenants.Feed
			if at == 0 {
				f = feed
			}
			ends[at] = o.process(f, random())
		}
	}
	deadline := time.Now().Add(20 * 24 * time.Hour)
	for o.ready.Len()+o.waiting.Len() > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Minute)
	}
	o.end = time.Now()
	for _, end := range ends {
		end(false)
	}
	if n := o.ready.Len() + o.waiting.Len(); n > 0 {
		t.Errorf("messages left: got %d, want none", n)
	}
}

// Each event is delivered at least once or dead with its whole history, ordered endpoints receive events in order, and
// rates and concurrency hold.
func TestTenThousandDeliveries(t *testing.T) {
	seed := *postSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	events := *postEvents
	if events == 0 {
		events = depth.Of(20, 167)
	}
	if depth.Race {
		events = min(events, 20)
	}
	t.Logf("seed %d: go test ./tenants/delivery -run TestTenThousandDeliveries -post %d", seed, seed)
	synctest.Test(t, func(t *testing.T) {
		o := newSimulation(seed, 20)
		o.run(t, events) // 3 tenants, 20 endpoints, 167 events: 10,020
		for _, fault := range o.check(t, 60*events) {
			t.Error(fault)
		}
	})
}
