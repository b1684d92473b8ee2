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
	Sites   []*Site

	spoil func(tenants.Table) tenants.Table // wraps the table of each process
}

// NewFleet starts a number of nodes over a table and inboxes with the faults f.
func NewFleet(t *testing.T, f tenantstest.Faults, nodes int) *Fleet {
	return NewSpoiledFleet(t, f, nodes, Honest)
}

// NewSpoiledFleet is NewFleet with nodes whose view of the table is broken by spoil.
func NewSpoiledFleet(t *testing.T, f tenantstest.Faults, nodes int, spoil func(tenants.Table) tenants.Table) *Fleet {
	fl := &Fleet{T: t, Table: tenantstest.NewTable(f), Inboxes: tenantstest.NewInboxes(f), spoil: spoil}
	for range nodes {
		fl.Add()
	}
	return fl
}

// Site is the process of one node: the node, its admission, and a Stage as its fanout.
type Site struct {
	*tenantstest.Process
	*Stage
	Node      *node.Node
	Admission *quota.Admission
	stop      context.CancelFunc
	stopped   chan struct{}
}

// Add starts one more node.
func (fl *Fleet) Add() *Site {
	fl.T.Helper()
	p := tenantstest.NewProcess()
	s := &Site{Process: p, Stage: &Stage{Process: p, Forgot: map[tenants.TenantID]int{}}, stopped: make(chan struct{})}
	inboxes := s.Inboxes(fl.Inboxes)
	s.Node = node.New(node.Options{
		Table: s.Table(fl.spoil(fl.Table)), Inboxes: inboxes, Maker: inboxes, Open: inboxes.Open, Forget: s.Forget,
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

// End stops the node gracefully.
func (s *Site) End() {
	s.stop()
	<-s.stopped
	Again(func() error { return s.Node.Leave(context.Background()) })
}

// Kill ends the process at once. Its connections are gone, and the table still has what the node wrote.
func (s *Site) Kill() {
	s.Process.Kill()
	s.stop()
	<-s.stopped
	s.Node.Leave(context.Background()) // which reaches nothing, and ends the background work
	s.Stage.Mu.Lock()
	s.Stage.open = nil
	s.Stage.Mu.Unlock()
}

// Close ends the sites that have not been killed, gracefully.
func (fl *Fleet) Close() {
	for _, s := range fl.Sites {
		if !s.Killed() {
			s.Mend()
			s.Thaw()
			s.End()
		}
	}
}

// Stage is a node.Fanout that holds connections and records its calls.
type Stage struct {
	Process *tenantstest.Process

	Mu        sync.Mutex
	names     []string // of the node, the present one last
	notices   []tenants.InboxMessage
	Forgot    map[tenants.TenantID]int // calls of Forget
	open      []*Seat
	Withdrawn bool  // whether Withdraw was called
	Fail      error // what Reregister returns
}

// Seat is one connection.
type Seat struct {
	tenant tenants.TenantID
	Slot   *quota.Slot
	Info   tenants.Connection
	Gone   chan struct{} // closed when the connection ends
}

func (s *Stage) name(node string) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.names = append(s.names, node)
}

// Forget counts its calls by tenant.
func (s *Stage) Forget(t tenants.TenantID) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Forgot[t]++
}

// Forgets returns how often Forget was called.
func (s *Stage) Forgets(t tenants.TenantID) int {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return s.Forgot[t]
}

// Deliver records the messages.
func (s *Stage) Deliver(ns ...tenants.InboxMessage) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.notices = append(s.notices, ns...)
}

// Delivered returns how many messages about the channel were delivered.
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

// Reregister records the node's new name, or fails with Fail.
func (s *Stage) Reregister(_ context.Context, node string) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if s.Fail != nil {
		return s.Fail
	}
	s.names = append(s.names, node)
	return nil
}

// Names returns the names that the node has registered, the present one last.
func (s *Stage) Names() []string {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return slices.Clone(s.names)
}

// Withdraw sets Withdrawn.
func (s *Stage) Withdraw(context.Context) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Withdrawn = true
	return nil
}

// Tenants returns the tenants that have connections here.
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

// Connections returns the tenant's connections here.
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

// Shed ends the newest n connections that match.
func (s *Stage) Shed(t tenants.TenantID, channel, subject string, n int) {
	for range n {
		s.Leave(func(c *Seat) bool {
			return c.tenant == t && (channel == "" || slices.Contains(c.Info.Channels, channel)) &&
				(subject == "" || c.Info.Principal.Subject == subject)
		})
	}
}

// Disconnect ends the tenant's connection of that id.
func (s *Stage) Disconnect(t tenants.TenantID, id string) bool {
	return s.Leave(func(c *Seat) bool { return c.tenant == t && c.Info.ID == id })
}

// Renew gives a connection another credential of the same principal.
func (s *Stage) Renew(_ context.Context, t tenants.TenantID, id string, p *tenants.Principal) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	for _, c := range s.open {
		if c.tenant == t && c.Info.ID == id {
			if !p.SameAs(*c.Info.Principal) {
				return tenants.Errorf(tenants.Forbidden, "connection_of_another",
					"the connection belongs to another principal")
			}
			c.Info.Principal = p
			return nil
		}
	}
	return tenants.NoConnection()
}

// Leave ends the newest connection that matches, and reports whether there was one.
func (s *Stage) Leave(match func(*Seat) bool) bool {
	s.Mu.Lock()
	at := len(s.open) - 1
	for at >= 0 && !match(s.open[at]) {
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

// Connect takes a slot and opens a connection.
func (s *Site) Connect(r quota.Request, l tenants.Limits) (*Seat, error) {
	s.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	slot, err := s.Admission.Reserve(ctx, r, l)
	if err != nil {
		return nil, err
	}
	c := &Seat{tenant: r.Tenant, Slot: slot, Gone: make(chan struct{})}
	c.Info = tenants.Connection{
		ID: tenants.NewID(tenants.PrefixConnection), Channels: r.Channels, Since: time.Now(),
		Principal: &tenants.Principal{Tenant: r.Tenant, Subject: r.Subject},
	}
	s.Stage.Mu.Lock()
	s.Stage.open = append(s.Stage.open, c)
	s.Stage.Mu.Unlock()
	slot.Confirm()
	return c, nil
}

// Disconnect ends the connection. It may have ended already.
func (s *Site) Disconnect(c *Seat) { s.Stage.Leave(func(open *Seat) bool { return open == c }) }

// Count returns the number of the tenant's connections here.
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

// Total returns the number of the tenant's connections on the sites that match, or on all if match is nil.
func (fl *Fleet) Total(t tenants.TenantID, match func(*Site) bool) (n int) {
	for _, s := range fl.Sites {
		if match == nil || match(s) {
			n += s.Count(t)
		}
	}
	return n
}

// HeldBy returns what a row of slots says: the number of slots by the node's name.
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
