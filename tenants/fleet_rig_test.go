package tenants_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// fleet is several nodes over one simulated table and its inboxes.
type fleet struct {
	t       *testing.T
	table   *tenantstest.Table
	inboxes *tenantstest.Inboxes
	// spoil lets a test break what a process stands on.
	spoil func(tenants.Table) tenants.Table
	sites []*site
}

func newFleet(t *testing.T, f tenantstest.Faults, nodes int) *fleet {
	fl := &fleet{t: t, table: tenantstest.NewTable(f), inboxes: tenantstest.NewInboxes(f), spoil: honest}
	for range nodes {
		fl.add()
	}
	return fl
}

// site is one node's process: the node, its admission, and a stage in the place of the hub.
type site struct {
	*tenantstest.Process
	*stage
	fleet     *fleet
	node      *tenants.Node
	admission *tenants.Admission
	stop      context.CancelFunc
	stopped   chan struct{}
}

func (fl *fleet) add() *site {
	fl.t.Helper()
	p := tenantstest.NewProcess()
	s := &site{Process: p, fleet: fl, stage: &stage{process: p, forgot: map[tenants.TenantID]int{}}, stopped: make(chan struct{})}
	s.node = tenants.NewNode(tenants.NodeOptions{
		Table: s.Table(fl.spoil(fl.table)), Inboxes: s.Inboxes(fl.inboxes), Maker: s.Inboxes(fl.inboxes), Open: s.Inboxes(fl.inboxes).Open,
		Forget: s.forget,
	})
	s.admission = tenants.NewSharedAdmission(s.node)
	if err := again(func() error { return s.node.Join(context.Background()) }); err != nil {
		fl.t.Fatal(err)
	}
	s.name(s.node.ID())
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() { s.node.Run(ctx, s.stage); close(s.stopped) }()
	fl.sites = append(fl.sites, s)
	return s
}

// end stops the node in good order.
func (s *site) end() {
	s.stop()
	<-s.stopped
	again(func() error { return s.node.Leave(context.Background()) })
}

// kill ends the process at once: its connections are gone, and nothing is put in order.
func (s *site) kill() {
	s.Kill()
	s.stop()
	<-s.stopped
	s.node.Leave(context.Background()) // which reaches nothing, and ends what goes on in the background
	s.stage.mu.Lock()
	s.stage.open = nil
	s.stage.mu.Unlock()
}

// close ends every site that is left.
func (fl *fleet) close() {
	for _, s := range fl.sites {
		if !s.Killed() {
			s.Mend()
			s.Thaw()
			s.end()
		}
	}
}

// stage is the place of the hub: it remembers what it was told, and holds connections.
type stage struct {
	process *tenantstest.Process

	mu        sync.Mutex
	names     []string // that it had, the present one last
	notices   []tenants.Notice
	forgot    map[tenants.TenantID]int
	open      []*seat
	withdrawn bool
	fail      error // of Reregister
}

// seat is one connection.
type seat struct {
	tenant tenants.TenantID
	slot   *tenants.Slot
	info   tenants.Connection
	gone   chan struct{}
}

func (s *stage) name(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, node)
}

func (s *stage) forget(t tenants.TenantID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgot[t]++
}

func (s *stage) forgets(t tenants.TenantID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forgot[t]
}

func (s *stage) Deliver(ns ...tenants.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices = append(s.notices, ns...)
}

func (s *stage) delivered(channel string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, notice := range s.notices {
		if notice.Channel == channel {
			n++
		}
	}
	return n
}

func (s *stage) Reregister(_ context.Context, node string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.names = append(s.names, node)
	return nil
}

func (s *stage) had() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.names)
}

func (s *stage) Withdraw(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.withdrawn = true
	return nil
}

func (s *stage) Tenants() (list []tenants.TenantID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		if !slices.Contains(list, c.tenant) {
			list = append(list, c.tenant)
		}
	}
	return list
}

func (s *stage) Connections(t tenants.TenantID) (list []tenants.Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		if c.tenant == t {
			list = append(list, c.info)
		}
	}
	return list
}

func (s *stage) Shed(t tenants.TenantID, channel, subject string, n int) {
	for range n {
		s.leave(func(c *seat) bool {
			return c.tenant == t && (channel == "" || slices.Contains(c.info.Channels, channel)) && (subject == "" || c.info.Principal.Subject == subject)
		})
	}
}

func (s *stage) Disconnect(t tenants.TenantID, id string) bool {
	return s.leave(func(c *seat) bool { return c.tenant == t && c.info.ID == id })
}

func (s *stage) Renew(_ context.Context, t tenants.TenantID, id string, p *tenants.Principal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		if c.tenant == t && c.info.ID == id {
			if !p.SameAs(*c.info.Principal) {
				return tenants.Errorf(tenants.Forbidden, "connection_of_another", "not theirs")
			}
			c.info.Principal = p
			return nil
		}
	}
	return tenants.NoConnection()
}

// leave ends the youngest connection that is one of those meant, and tells whether there was one.
func (s *stage) leave(meant func(*seat) bool) bool {
	s.mu.Lock()
	at := len(s.open) - 1
	for at >= 0 && !meant(s.open[at]) {
		at--
	}
	if at < 0 {
		s.mu.Unlock()
		return false
	}
	c := s.open[at]
	s.open = slices.Delete(s.open, at, at+1)
	s.mu.Unlock()
	close(c.gone)
	c.slot.Release()
	return true
}

// connect takes a slot and, with it, a seat.
func (s *site) connect(r tenants.AdmissionRequest, l tenants.Limits) (*seat, error) {
	s.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	slot, err := s.admission.Reserve(ctx, r, l)
	if err != nil {
		return nil, err
	}
	c := &seat{tenant: r.Tenant, slot: slot, gone: make(chan struct{})}
	c.info = tenants.Connection{ID: tenants.NewID(tenants.PrefixConnection), Channels: r.Channels, Principal: &tenants.Principal{Tenant: r.Tenant, Subject: r.Subject}, Since: time.Now()}
	s.stage.mu.Lock()
	s.stage.open = append(s.stage.open, c)
	s.stage.mu.Unlock()
	slot.Confirm()
	return c, nil
}

// disconnect ends the connection unless it has ended.
func (s *site) disconnect(c *seat) { s.stage.leave(func(open *seat) bool { return open == c }) }

func (s *stage) count(t tenants.TenantID) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		if c.tenant == t {
			n++
		}
	}
	return n
}

// total counts the tenant's connections over the sites that match.
func (fl *fleet) total(t tenants.TenantID, match func(*site) bool) (n int) {
	for _, s := range fl.sites {
		if match == nil || match(s) {
			n += s.count(t)
		}
	}
	return n
}

// heldBy is what a row of slots says.
func heldBy(t *testing.T, table tenants.Table, k tenants.Key) map[string]int {
	t.Helper()
	row, err := patient{table}.Get(context.Background(), k)
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
