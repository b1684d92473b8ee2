package rig

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
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// Book is a delivery.Endpoints in memory.
type Book struct {
	mu  sync.Mutex
	all map[string]endpoint.Endpoint
}

// NewBook returns a Book of the endpoints.
func NewBook(endpoints ...endpoint.Endpoint) *Book {
	b := &Book{all: make(map[string]endpoint.Endpoint)}
	for _, e := range endpoints {
		b.Set(e)
	}
	return b
}

// Set adds or replaces an endpoint.
func (b *Book) Set(e endpoint.Endpoint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[e.ID] = e
}

// Remove removes an endpoint.
func (b *Book) Remove(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, id)
}

// State returns the state of an endpoint.
func (b *Book) State(id string) endpoint.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[id].State
}

// All fulfils delivery.Endpoints, as do Get, Matches, Prepare and GiveUp.
func (b *Book) All(_ context.Context, t tenants.TenantID) (list []endpoint.Endpoint, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.all {
		if e.Tenant == t {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b endpoint.Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// Get returns an endpoint.
func (b *Book) Get(_ context.Context, t tenants.TenantID, id string) (endpoint.Endpoint, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.all[id]
	if !ok || e.Tenant != t {
		return e, tenants.Errorf(tenants.NotFound, "endpoint_not_found", "there is no such endpoint")
	}
	return e, nil
}

// Matches matches the channel only.
func (b *Book) Matches(e endpoint.Endpoint, ev tenants.Event) (bool, error) {
	return !tenants.ReservedChannel(ev.Channel) && (len(e.Channels) == 0 || slices.Contains(e.Channels, ev.Channel)),
		nil
}

// Prepare returns a request whose URL is the endpoint's id.
func (b *Book) Prepare(_ context.Context, e endpoint.Endpoint, id string, ev tenants.Event,
	at time.Time) (tenants.Outgoing, error) {
	header := map[string][]string{"Webhook-Id": {id}, "Event": {ev.ID}}
	return tenants.Outgoing{Method: "POST", URL: e.ID, Body: ev.Data, Header: header}, nil
}

// GiveUp disables an endpoint.
func (b *Book) GiveUp(_ context.Context, seen endpoint.Endpoint, reason string) (endpoint.Endpoint, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.all[seen.ID]
	if !ok {
		return e, tenants.Errorf(tenants.NotFound, "endpoint_not_found", "there is no such endpoint")
	}
	e.State, e.Reason, e.Changed = endpoint.Disabled, reason, time.Now()
	b.all[seen.ID] = e
	return e, nil
}

// NoLimits is a LimitLookup that sets no limits, and fails for the tenants that Set names.
type NoLimits struct {
	mu       sync.Mutex
	failures map[tenants.TenantID]error
}

// Limits fulfils tenants.LimitLookup.
func (n *NoLimits) Limits(_ context.Context, t tenants.TenantID) (tenants.Limits, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return tenants.Limits{}, n.failures[t]
}

// Set makes Limits fail with err for the tenant.
func (n *NoLimits) Set(t tenants.TenantID, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failures == nil {
		n.failures = make(map[tenants.TenantID]error)
	}
	n.failures[t] = err
}

// Request is a request that reached an endpoint.
type Request struct {
	At       time.Time
	endpoint string
	Message  string // Webhook-Id
	Event    string
	Data     string
	Accepted bool
	Done     time.Time
}

// Behavior returns the answer to the n-th request with the event to the endpoint, and how long it takes.
type Behavior func(endpoint, event string, n int) (tenants.Answer, time.Duration)

// Receivers is a Sender and all endpoints that it reaches.
type Receivers struct {
	Answer Behavior

	mu       sync.Mutex
	Requests []Request      // in the order in which they ended
	underWay map[string]int // by endpoint
	Most     map[string]int // the most requests at once, by endpoint
	times    map[string]int // by endpoint and event
}

// Send fulfils tenants.Sender.
func (s *Receivers) Send(ctx context.Context, o tenants.Outgoing) tenants.Answer {
	begin := time.Now()
	event := o.Header["Event"][0]
	s.mu.Lock()
	if s.underWay == nil {
		s.underWay, s.Most, s.times = make(map[string]int), make(map[string]int), make(map[string]int)
	}
	s.times[o.URL+event]++
	a, took := s.Answer(o.URL, event, s.times[o.URL+event])
	s.underWay[o.URL]++
	s.Most[o.URL] = max(s.Most[o.URL], s.underWay[o.URL])
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
		s.Requests = append(s.Requests, Request{
			begin, o.URL, o.Header["Webhook-Id"][0], event, string(o.Body),
			a.Failure == "" && a.Status >= 200 && a.Status < 300, time.Now(),
		})
	}
	a.Took = time.Since(begin)
	return a
}

// Of returns the requests that reached the endpoint.
func (s *Receivers) Of(endpoint string) (rs []Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.Requests {
		if r.endpoint == endpoint {
			rs = append(rs, r)
		}
	}
	return rs
}

// Post is all that deliveries need, in one process over simulated storage.
type Post struct {
	t         *testing.T
	Table     *tenantstest.Table
	Ready     *tenantstest.Queue
	Waiting   *tenantstest.Queue
	ingest    *tenantstest.Queue
	Book      *Book
	Limits    *NoLimits
	Receivers *Receivers
	Outbox    *delivery.Outbox
	Deliverer *delivery.Deliverer
	feed      *tenantstest.Feed
}

// NewPost returns a Post without faults, whose receivers answer as answer says.
func NewPost(t *testing.T, answer Behavior, endpoints ...endpoint.Endpoint) *Post {
	o := tenantstest.QueueOptions{Visibility: time.Minute}
	p := &Post{
		t: t, Table: tenantstest.NewTable(tenantstest.Faults{}), Book: NewBook(endpoints...), Limits: &NoLimits{},
		Receivers: &Receivers{Answer: answer}, Ready: tenantstest.NewQueue(o), Waiting: tenantstest.NewQueue(o),
		ingest: tenantstest.NewQueue(tenantstest.QueueOptions{}),
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var mu sync.Mutex
	p.Outbox = &delivery.Outbox{
		Table: p.Table, Log: eventlog.New(p.Table), Endpoints: p.Book, Ready: p.Ready, Waiting: p.Waiting,
		Tenants: p.Limits,
		Notices: intake.NewNotices(p.ingest),
		Random: func() float64 {
			mu.Lock()
			defer mu.Unlock()
			return rng.Float64()
		},
	}
	p.Deliverer = delivery.NewDeliverer(p.Outbox, p.Receivers)
	p.feed = p.Table.Feed()
	return p
}

// Poisonable replaces the queues by ones that move a message to their dead letters when it has been received five
// times.
func (p *Post) Poisonable() {
	o := tenantstest.QueueOptions{Visibility: time.Minute, MaxReceives: 5}
	p.Ready, p.Waiting = tenantstest.NewQueue(o), tenantstest.NewQueue(o)
	p.Outbox.Ready, p.Outbox.Waiting = p.Ready, p.Waiting
	p.Deliverer = delivery.NewDeliverer(p.Outbox, p.Receivers)
}

// Run dispatches and delivers until the test calls stop.
func (p *Post) Run(workers int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { delivery.NewDispatcher(p.Outbox).Run(ctx, p.feed) })
	all.Go(func() { p.Deliverer.Run(ctx, workers) })
	return func() {
		cancel()
		all.Wait()
	}
}

// Publish appends n events, with the data name-0, name-1 and so on, to a channel of LogTenant.
func (p *Post) Publish(channel, name string, n int) []tenants.Event {
	p.t.Helper()
	return p.PublishOf(LogTenant, channel, name, n)
}

// PublishOf is Publish for another tenant.
func (p *Post) PublishOf(tenant tenants.TenantID, channel, name string, n int) []tenants.Event {
	p.t.Helper()
	events := make([]tenants.Event, n)
	for i := range events {
		data := fmt.Sprintf("%s-%d", name, i)
		events[i] = tenants.Event{
			ID: tenants.DerivedID(tenants.PrefixEvent, data), Type: "test", Data: []byte(data), Time: time.Now().UTC(),
		}
	}
	stored, err := eventlog.New(p.Table).Append(context.Background(), tenant, channel, events)
	if err != nil {
		p.t.Fatal(err)
	}
	return stored
}

// EndpointOf returns an enabled endpoint of LogTenant, after the changes.
func EndpointOf(name string, change ...func(*endpoint.Endpoint)) endpoint.Endpoint {
	e := endpoint.Endpoint{
		ID: tenants.DerivedID(tenants.PrefixEndpoint, name), Tenant: LogTenant, Name: name,
		URL: "https://example.com/" + name, State: endpoint.Enabled, Created: time.Now().UTC(),
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

// Status returns an answer with the status.
func Status(code int) tenants.Answer { return tenants.Answer{Status: code, Connected: true} }

// Always returns the behavior of endpoints that always answer with the status, after took.
func Always(code int, took time.Duration) Behavior {
	return func(string, string, int) (tenants.Answer, time.Duration) { return Status(code), took }
}

// All returns all deliveries of the endpoint.
func (p *Post) All(endpoint string) (list []delivery.Delivery) {
	p.t.Helper()
	d := delivery.NewDeliveries(p.Outbox)
	for after := ""; ; {
		page, next, err := d.List(context.Background(), LogTenant, delivery.Filter{Endpoint: endpoint}, after, 100)
		if err != nil {
			p.t.Fatal(err)
		}
		list = append(list, page...)
		if after = next; next == "" {
			return list
		}
	}
}

// Sent returns the data of the events called name that the endpoint has accepted, in order.
func (p *Post) Sent(ep endpoint.Endpoint, name string) (list []string) {
	for _, r := range p.Receivers.Of(ep.ID) {
		if r.Accepted && strings.HasPrefix(r.Data, name+"-") {
			list = append(list, r.Data)
		}
	}
	return list
}

// Told returns up to 100 notices that the tenant has been sent.
func (p *Post) Told() (events []tenants.Event) {
	p.t.Helper()
	rs, err := p.ingest.Receive(context.Background(), 100, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, r := range rs {
		e, err := tenants.DecodeEvent(r.Body)
		if err != nil {
			p.t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// Ending returns how long stop takes.
func Ending(stop func()) time.Duration {
	began := time.Now()
	stop()
	return time.Since(began)
}

// Again calls do until its error is not of kind Unavailable.
func Again(do func() error) error {
	for {
		if err := do(); err == nil || tenants.KindOf(err) != tenants.Unavailable {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
