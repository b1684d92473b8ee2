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

// Book is endpoints in memory: what deliveries ask of them and nothing else.
type Book struct {
	mu  sync.Mutex
	all map[string]endpoint.Endpoint
}

func NewBook(endpoints ...endpoint.Endpoint) *Book {
	b := &Book{all: make(map[string]endpoint.Endpoint)}
	for _, e := range endpoints {
		b.Set(e)
	}
	return b
}

func (b *Book) Set(e endpoint.Endpoint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[e.ID] = e
}

func (b *Book) Remove(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, id)
}

func (b *Book) State(id string) endpoint.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[id].State
}

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

func (b *Book) Get(_ context.Context, t tenants.TenantID, id string) (endpoint.Endpoint, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.all[id]
	if !ok || e.Tenant != t {
		return e, tenants.Errorf(tenants.NotFound, "endpoint_not_found", "there is no such endpoint")
	}
	return e, nil
}

func (b *Book) Matches(e endpoint.Endpoint, ev tenants.Event) (bool, error) {
	return !tenants.ReservedChannel(ev.Channel) && (len(e.Channels) == 0 || slices.Contains(e.Channels, ev.Channel)), nil
}

func (b *Book) Prepare(_ context.Context, e endpoint.Endpoint, id string, ev tenants.Event, at time.Time) (tenants.Outgoing, error) {
	return tenants.Outgoing{Method: "POST", URL: e.ID, Body: ev.Data, Header: map[string][]string{"Webhook-Id": {id}, "Event": {ev.ID}}}, nil
}

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

// NoLimits is a LimitLookup of tenants that may do anything, but for those of whom it knows otherwise.
type NoLimits struct {
	mu  sync.Mutex
	not map[tenants.TenantID]error
}

func (n *NoLimits) Limits(_ context.Context, t tenants.TenantID) (tenants.Limits, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return tenants.Limits{}, n.not[t]
}

func (n *NoLimits) Set(t tenants.TenantID, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.not == nil {
		n.not = make(map[tenants.TenantID]error)
	}
	n.not[t] = err
}

// Request is one that reached a receiver.
type Request struct {
	At       time.Time
	endpoint string
	Message  string // Webhook-Id
	Event    string
	Data     string
	Accepted bool
	Done     time.Time
}

// Receivers is a Sender and all servers behind it. How one behaves is its answer's to say.
type Receivers struct {
	// answer says what comes of a request to the endpoint, and how long that takes.
	Answer func(endpoint, event string, n int) (tenants.Answer, time.Duration)

	mu       sync.Mutex
	Requests []Request
	underWay map[string]int
	Most     map[string]int
	times    map[string]int
}

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
			begin, o.URL, o.Header["Webhook-Id"][0], event, string(o.Body), a.Failure == "" && a.Status >= 200 && a.Status < 300, time.Now(),
		})
	}
	a.Took = time.Since(begin)
	return a
}

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

// Post is everything that deliveries need, in one process over simulated storage.
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

// NewPost makes a post whose receivers answer as answer says. Everything is flawless.
func NewPost(t *testing.T, answer func(endpoint, event string, n int) (tenants.Answer, time.Duration), endpoints ...endpoint.Endpoint) *Post {
	p := &Post{
		t: t, Table: tenantstest.NewTable(tenantstest.Faults{}), Book: NewBook(endpoints...), Limits: &NoLimits{}, Receivers: &Receivers{Answer: answer},
		Ready: tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: time.Minute}), Waiting: tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: time.Minute}),
		ingest: tenantstest.NewQueue(tenantstest.QueueOptions{}),
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var mu sync.Mutex
	p.Outbox = &delivery.Outbox{
		Table: p.Table, Log: eventlog.New(p.Table), Endpoints: p.Book, Ready: p.Ready, Waiting: p.Waiting, Tenants: p.Limits,
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

// Poisonable gives the post queues with dead letters.
func (p *Post) Poisonable() {
	o := tenantstest.QueueOptions{Visibility: time.Minute, MaxReceives: 5}
	p.Ready, p.Waiting = tenantstest.NewQueue(o), tenantstest.NewQueue(o)
	p.Outbox.Ready, p.Outbox.Waiting = p.Ready, p.Waiting
	p.Deliverer = delivery.NewDeliverer(p.Outbox, p.Receivers)
}

// Run delivers until the test calls the function that it returns.
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

// Publish appends n events to a channel of logTenant's now.
func (p *Post) Publish(channel, name string, n int) []tenants.Event {
	p.t.Helper()
	return p.PublishOf(LogTenant, channel, name, n)
}

func (p *Post) PublishOf(tenant tenants.TenantID, channel, name string, n int) []tenants.Event {
	p.t.Helper()
	events := make([]tenants.Event, n)
	for i := range events {
		data := fmt.Sprintf("%s-%d", name, i)
		events[i] = tenants.Event{ID: tenants.DerivedID(tenants.PrefixEvent, data), Type: "test", Data: []byte(data), Time: time.Now().UTC()}
	}
	stored, err := eventlog.New(p.Table).Append(context.Background(), tenant, channel, events)
	if err != nil {
		p.t.Fatal(err)
	}
	return stored
}

// EndpointOf makes an enabled endpoint of logTenant's.
func EndpointOf(name string, change ...func(*endpoint.Endpoint)) endpoint.Endpoint {
	e := endpoint.Endpoint{
		ID: tenants.DerivedID(tenants.PrefixEndpoint, name), Tenant: LogTenant, Name: name, URL: "https://example.com/" + name, State: endpoint.Enabled,
		Created: time.Now().UTC(),
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

// Status is an answer that came at once.
func Status(code int) tenants.Answer { return tenants.Answer{Status: code, Connected: true} }

// All lists every delivery of the endpoint.
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
