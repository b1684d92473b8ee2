package rig

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// Fleet is several nodes over one simulated table and its inboxes.
type Fleet struct {
	T       *testing.T
	Table   *tenantstest.Table
	Inboxes *tenantstest.Inboxes
	// spoil lets a test break what a process stands on.
	Spoil func(tenants.Table) tenants.Table
	Sites []*Site
}

func NewFleet(t *testing.T, f tenantstest.Faults, nodes int) *Fleet {
	fl := &Fleet{T: t, Table: tenantstest.NewTable(f), Inboxes: tenantstest.NewInboxes(f), Spoil: Honest}
	for range nodes {
		fl.Add()
	}
	return fl
}

// Site is one node's process: the node, its admission, and a stage in the place of the hub.
type Site struct {
	*tenantstest.Process
	*Stage
	fleet     *Fleet
	Node      *node.Node
	Admission *quota.Admission
	stop      context.CancelFunc
	stopped   chan struct{}
}

func (fl *Fleet) Add() *Site {
	fl.T.Helper()
	p := tenantstest.NewProcess()
	s := &Site{Process: p, fleet: fl, Stage: &Stage{Process: p, Forgot: map[tenants.TenantID]int{}}, stopped: make(chan struct{})}
	s.Node = node.New(node.Options{
		Table: s.Table(fl.Spoil(fl.Table)), Inboxes: s.Inboxes(fl.Inboxes), Maker: s.Inboxes(fl.Inboxes), Open: s.Inboxes(fl.Inboxes).Open,
		Forget: s.Forget,
	})
	s.Admission = quota.NewShared(s.Node)
	if err := Again(func() error { return s.Node.Join(context.Background()) }); err != nil {
		fl.T.Fatal(err)
	}
	s.name(s.Node.ID())
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() { s.Node.Run(ctx, s.Stage); close(s.stopped) }()
	fl.Sites = append(fl.Sites, s)
	return s
}

// End stops the node in good order.
func (s *Site) End() {
	s.stop()
	<-s.stopped
	Again(func() error { return s.Node.Leave(context.Background()) })
}

// Kill ends the process at once: its connections are gone, and nothing is put in order.
func (s *Site) Kill() {
	s.Process.Kill()
	s.stop()
	<-s.stopped
	s.Node.Leave(context.Background()) // which reaches nothing, and ends what goes on in the background
	s.Stage.Mu.Lock()
	s.Stage.open = nil
	s.Stage.Mu.Unlock()
}

// Close ends every site that is left.
func (fl *Fleet) Close() {
	for _, s := range fl.Sites {
		if !s.Killed() {
			s.Mend()
			s.Thaw()
			s.End()
		}
	}
}

// Stage is the place of the hub: it remembers what it was told, and holds connections.
type Stage struct {
	Process *tenantstest.Process

	Mu        sync.Mutex
	names     []string // that it had, the present one last
	notices   []tenants.InboxMessage
	Forgot    map[tenants.TenantID]int
	open      []*Seat
	Withdrawn bool
	Fail      error // of Reregister
}

// Seat is one connection.
type Seat struct {
	tenant tenants.TenantID
	Slot   *quota.Slot
	Info   tenants.Connection
	Gone   chan struct{}
}

func (s *Stage) name(node string) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.names = append(s.names, node)
}

func (s *Stage) Forget(t tenants.TenantID) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Forgot[t]++
}

func (s *Stage) Forgets(t tenants.TenantID) int {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return s.Forgot[t]
}

func (s *Stage) Deliver(ns ...tenants.InboxMessage) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.notices = append(s.notices, ns...)
}

func (s *Stage) Delivered(channel string) (n int) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	for _, notice := range s.notices {
		if notice.Channel == channel {
			n++
		}
	}
	return n
}

func (s *Stage) Reregister(_ context.Context, node string) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if s.Fail != nil {
		return s.Fail
	}
	s.names = append(s.names, node)
	return nil
}

func (s *Stage) Had() []string {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return slices.Clone(s.names)
}

func (s *Stage) Withdraw(context.Context) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Withdrawn = true
	return nil
}

func (s *Stage) Tenants() (list []tenants.TenantID) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	for _, c := range s.open {
		if !slices.Contains(list, c.tenant) {
			list = append(list, c.tenant)
		}
	}
	return list
}

func (s *Stage) Connections(t tenants.TenantID) (list []tenants.Connection) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	for _, c := range s.open {
		if c.tenant == t {
			list = append(list, c.Info)
		}
	}
	return list
}

func (s *Stage) Shed(t tenants.TenantID, channel, subject string, n int) {
	for range n {
		s.Leave(func(c *Seat) bool {
			return c.tenant == t && (channel == "" || slices.Contains(c.Info.Channels, channel)) && (subject == "" || c.Info.Principal.Subject == subject)
		})
	}
}

func (s *Stage) Disconnect(t tenants.TenantID, id string) bool {
	return s.Leave(func(c *Seat) bool { return c.tenant == t && c.Info.ID == id })
}

func (s *Stage) Renew(_ context.Context, t tenants.TenantID, id string, p *tenants.Principal) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	for _, c := range s.open {
		if c.tenant == t && c.Info.ID == id {
			if !p.SameAs(*c.Info.Principal) {
				return tenants.Errorf(tenants.Forbidden, "connection_of_another", "not theirs")
			}
			c.Info.Principal = p
			return nil
		}
	}
	return tenants.NoConnection()
}

// Leave ends the youngest connection that is one of those meant, and tells whether there was one.
func (s *Stage) Leave(meant func(*Seat) bool) bool {
	s.Mu.Lock()
	at := len(s.open) - 1
	for at >= 0 && !meant(s.open[at]) {
		at--
	}
	if at < 0 {
		s.Mu.Unlock()
		return false
	}
	c := s.open[at]
	s.open = slices.Delete(s.open, at, at+1)
	s.Mu.Unlock()
	close(c.Gone)
	c.Slot.Release()
	return true
}

// Connect takes a slot and, with it, a seat.
func (s *Site) Connect(r quota.Request, l tenants.Limits) (*Seat, error) {
	s.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	slot, err := s.Admission.Reserve(ctx, r, l)
	if err != nil {
		return nil, err
	}
	c := &Seat{tenant: r.Tenant, Slot: slot, Gone: make(chan struct{})}
	c.Info = tenants.Connection{ID: tenants.NewID(tenants.PrefixConnection), Channels: r.Channels, Principal: &tenants.Principal{Tenant: r.Tenant, Subject: r.Subject}, Since: time.Now()}
	s.Stage.Mu.Lock()
	s.Stage.open = append(s.Stage.open, c)
	s.Stage.Mu.Unlock()
	slot.Confirm()
	return c, nil
}

// Disconnect ends the connection unless it has ended.
func (s *Site) Disconnect(c *Seat) { s.Stage.Leave(func(open *Seat) bool { return open == c }) }

func (s *Stage) Count(t tenants.TenantID) (n int) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	for _, c := range s.open {
		if c.tenant == t {
			n++
		}
	}
	return n
}

// Total counts the tenant's connections over the sites that match.
func (fl *Fleet) Total(t tenants.TenantID, match func(*Site) bool) (n int) {
	for _, s := range fl.Sites {
		if match == nil || match(s) {
			n += s.Count(t)
		}
	}
	return n
}

// HeldBy is what a row of slots says.
func HeldBy(t *testing.T, table tenants.Table, k tenants.Key) map[string]int {
	t.Helper()
	row, err := Patient{table}.Get(context.Background(), k)
	if tenants.KindOf(err) == tenants.NotFound && err != nil {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var rec struct{ Held map[string]int }
	if err := json.Unmarshal(row.Body, &rec); err != nil {
		t.Fatal(err)
	}
	return rec.Held
}
