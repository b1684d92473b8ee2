package tenants_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// book is endpoints in memory: what deliveries ask of them and nothing else.
type book struct {
	mu  sync.Mutex
	all map[string]tenants.Endpoint
}

func newBook(endpoints ...tenants.Endpoint) *book {
	b := &book{all: make(map[string]tenants.Endpoint)}
	for _, e := range endpoints {
		b.set(e)
	}
	return b
}

func (b *book) set(e tenants.Endpoint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[e.ID] = e
}

func (b *book) remove(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, id)
}

func (b *book) state(id string) tenants.EndpointState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[id].State
}

func (b *book) All(_ context.Context, t tenants.TenantID) (list []tenants.Endpoint, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.all {
		if e.Tenant == t {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b tenants.Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

func (b *book) Get(_ context.Context, t tenants.TenantID, id string) (tenants.Endpoint, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.all[id]
	if !ok || e.Tenant != t {
		return e, tenants.Errorf(tenants.NotFound, "endpoint_not_found", "there is no such endpoint")
	}
	return e, nil
}

func (b *book) Matches(e tenants.Endpoint, ev tenants.Event) (bool, error) {
	return !tenants.ReservedChannel(ev.Channel) && (len(e.Channels) == 0 || slices.Contains(e.Channels, ev.Channel)), nil
}

func (b *book) Prepare(_ context.Context, e tenants.Endpoint, id string, ev tenants.Event, at time.Time) (tenants.Outgoing, error) {
	return tenants.Outgoing{Method: "POST", URL: e.ID, Body: ev.Data, Header: map[string][]string{"Webhook-Id": {id}, "Event": {ev.ID}}}, nil
}

func (b *book) GiveUp(_ context.Context, seen tenants.Endpoint, reason string) (tenants.Endpoint, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.all[seen.ID]
	if !ok {
		return e, tenants.Errorf(tenants.NotFound, "endpoint_not_found", "there is no such endpoint")
	}
	e.State, e.Reason, e.Changed = tenants.EndpointDisabled, reason, time.Now()
	b.all[seen.ID] = e
	return e, nil
}

// noLimits is a LimitLookup of tenants that may do anything, but for those of whom it knows otherwise.
type noLimits struct {
	mu  sync.Mutex
	not map[tenants.TenantID]error
}

func (n *noLimits) Limits(_ context.Context, t tenants.TenantID) (tenants.Limits, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return tenants.Limits{}, n.not[t]
}

func (n *noLimits) set(t tenants.TenantID, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.not == nil {
		n.not = make(map[tenants.TenantID]error)
	}
	n.not[t] = err
}

// request is one that reached a receiver.
type request struct {
	at       time.Time
	endpoint string
	message  string // Webhook-Id
	event    string
	data     string
	accepted bool
	done     time.Time
}

// receivers is a Sender and all servers behind it. How one behaves is its answer's to say.
type receivers struct {
	// answer says what comes of a request to the endpoint, and how long that takes.
	answer func(endpoint, event string, n int) (tenants.Answer, time.Duration)

	mu       sync.Mutex
	requests []request
	underWay map[string]int
	most     map[string]int
	times    map[string]int
}

func (s *receivers) Send(ctx context.Context, o tenants.Outgoing) tenants.Answer {
	begin := time.Now()
	event := o.Header["Event"][0]
	s.mu.Lock()
	if s.underWay == nil {
		s.underWay, s.most, s.times = make(map[string]int), make(map[string]int), make(map[string]int)
	}
	s.times[o.URL+event]++
	a, took := s.answer(o.URL, event, s.times[o.URL+event])
	s.underWay[o.URL]++
	s.most[o.URL] = max(s.most[o.URL], s.underWay[o.URL])
	s.mu.Unlock()
	timer := time.NewTimer(min(took, 15*time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
		if took > 15*time.Second {
			a = tenants.Answer{Failure: tenants.FailureTimeout, Connected: true}
		}
	case <-ctx.Done():
		a = tenants.Answer{Failure: tenants.FailureCanceled, Connected: true}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.underWay[o.URL]--
	if a.Connected {
		s.requests = append(s.requests, request{
			begin, o.URL, o.Header["Webhook-Id"][0], event, string(o.Body), a.Failure == "" && a.Status >= 200 && a.Status < 300, time.Now(),
		})
	}
	a.Took = time.Since(begin)
	return a
}

func (s *receivers) of(endpoint string) (rs []request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r.endpoint == endpoint {
			rs = append(rs, r)
		}
	}
	return rs
}

// post is everything that deliveries need, in one process over simulated storage.
type post struct {
	t         *testing.T
	table     *tenantstest.Table
	ready     *tenantstest.Queue
	waiting   *tenantstest.Queue
	ingest    *tenantstest.Queue
	book      *book
	limits    *noLimits
	receivers *receivers
	outbox    *tenants.Outbox
	deliverer *tenants.Deliverer
	feed      *tenantstest.Feed
}

// newPost makes a post whose receivers answer as answer says. Everything is flawless.
func newPost(t *testing.T, answer func(endpoint, event string, n int) (tenants.Answer, time.Duration), endpoints ...tenants.Endpoint) *post {
	p := &post{
		t: t, table: tenantstest.NewTable(tenantstest.Faults{}), book: newBook(endpoints...), limits: &noLimits{}, receivers: &receivers{answer: answer},
		ready: tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: time.Minute}), waiting: tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: time.Minute}),
		ingest: tenantstest.NewQueue(tenantstest.QueueOptions{}),
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var mu sync.Mutex
	p.outbox = &tenants.Outbox{
		Table: p.table, Log: tenants.NewLog(p.table), Endpoints: p.book, Ready: p.ready, Waiting: p.waiting, Tenants: p.limits,
		Notices: tenants.NewNotices(p.ingest),
		Random: func() float64 {
			mu.Lock()
			defer mu.Unlock()
			return rng.Float64()
		},
	}
	p.deliverer = tenants.NewDeliverer(p.outbox, p.receivers)
	p.feed = p.table.Feed()
	return p
}

// poisonable gives the post queues with dead letters.
func (p *post) poisonable() {
	o := tenantstest.QueueOptions{Visibility: time.Minute, MaxReceives: 5}
	p.ready, p.waiting = tenantstest.NewQueue(o), tenantstest.NewQueue(o)
	p.outbox.Ready, p.outbox.Waiting = p.ready, p.waiting
	p.deliverer = tenants.NewDeliverer(p.outbox, p.receivers)
}

// run delivers until the test calls the function that it returns.
func (p *post) run(workers int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { tenants.NewDispatcher(p.outbox).Run(ctx, p.feed) })
	all.Go(func() { p.deliverer.Run(ctx, workers) })
	return func() {
		cancel()
		all.Wait()
	}
}

// publish appends n events to a channel of logTenant's now.
func (p *post) publish(channel, name string, n int) []tenants.Event {
	p.t.Helper()
	return p.publishOf(logTenant, channel, name, n)
}

func (p *post) publishOf(tenant tenants.TenantID, channel, name string, n int) []tenants.Event {
	p.t.Helper()
	events := make([]tenants.Event, n)
	for i := range events {
		data := fmt.Sprintf("%s-%d", name, i)
		events[i] = tenants.Event{ID: tenants.DerivedID(tenants.PrefixEvent, data), Type: "test", Data: []byte(data), Time: time.Now().UTC()}
	}
	stored, err := tenants.NewLog(p.table).Append(context.Background(), tenant, channel, events)
	if err != nil {
		p.t.Fatal(err)
	}
	return stored
}

// endpointOf makes an enabled endpoint of logTenant's.
func endpointOf(name string, change ...func(*tenants.Endpoint)) tenants.Endpoint {
	e := tenants.Endpoint{
		ID: tenants.DerivedID(tenants.PrefixEndpoint, name), Tenant: logTenant, Name: name, URL: "https://example.com/" + name, State: tenants.EndpointEnabled,
		Created: time.Now().UTC(),
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

// status is an answer that came at once.
func status(code int) tenants.Answer { return tenants.Answer{Status: code, Connected: true} }

// all lists every delivery of the endpoint.
func (p *post) all(endpoint string) (list []tenants.Delivery) {
	p.t.Helper()
	d := tenants.NewDeliveries(p.outbox)
	for after := ""; ; {
		page, next, err := d.List(context.Background(), logTenant, tenants.DeliveryFilter{Endpoint: endpoint}, after, 100)
		if err != nil {
			p.t.Fatal(err)
		}
		list = append(list, page...)
		if after = next; next == "" {
			return list
		}
	}
}
