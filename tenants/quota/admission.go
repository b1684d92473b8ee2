package quota

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/node"
)

// Warner tells a tenant, which has limits l, that most of a limit is in use, once in a period. Intake's Notices is one.
type Warner interface {
	Scarce(ctx context.Context, tenant tenants.TenantID, l tenants.Limits, limit string, most int64, period string)
}

// Admission gives out connection slots under a tenant's limits. However many ask at once, no more are open or about to open than
// the limit allows.
//
// An Admission of a process' own counts for itself. One that is shared among nodes holds blocks of each tenant's common count (see
// block): connections per tenant, per channel and per subject are then limited over all nodes, and strictly; connections per
// address and connects per second are limited on each node to its share, which is approximate.
type Admission struct {
	// Notices tells tenants that they have few connections left; nil: nobody does. It is set before the first Reserve.
	Notices Warner

	connects *cache.Rate[tenants.TenantID]
	from     *cache.Rate[address]
	node     *node.Node // nil: not shared

	mu   sync.Mutex // guards the rest, and the state of every slot and count
	open map[tenants.TenantID]*occupancy

	// What goes on in the background, until the node of a shared one leaves.
	over bool
	ctx  context.Context
	end  context.CancelFunc
	work sync.WaitGroup
}

// NewAdmission makes an Admission of this process' own, with nothing open.
func NewAdmission() *Admission {
	a := &Admission{connects: cache.NewRate[tenants.TenantID](10_000), from: cache.NewRate[address](100_000), open: make(map[tenants.TenantID]*occupancy)}
	a.ctx, a.end = context.WithCancel(context.Background())
	return a
}

// NewShared makes the Admission of a node, with nothing open. The node keeps it up once it runs.
func NewShared(n *node.Node) *Admission {
	a := NewAdmission()
	a.node = n
	n.Keep(a)
	return a
}

// confirmWithin is how long a slot is held for a connection that does not come about: the reply may fail before its
// handler runs, and nobody is told.
const confirmWithin = 5 * time.Second

// Request says what a connection wants to count against. The strings are copied where they are kept.
type Request struct {
	Tenant   tenants.TenantID
	Channels []string // at most MaxChannels
	Subject  string   // "": none
	IP       string   // "": unknown, and not counted. An IPv6 address stands for its /64, which is what one client can be taken to own
}

// occupancy is what a tenant has open. Entries leave when they reach zero and hold nothing, and so does the occupancy itself.
type occupancy struct {
	tenant                  tenants.TenantID
	warned                  map[string]string // by limit, the day on which the tenant was told that little is left of it
	all                     count
	channels, subjects, ips map[string]*count
}

// count is how many connections are open for one thing, those about to open included.
type count struct {
	name  string
	n     int
	block *block // nil: no common count is kept
}

// Slot is one connection's place under the limits.
type Slot struct {
	admission *Admission
	occupancy *occupancy
	channels  []*count
	one       [1]*count // channels' storage in the usual case
	subject   *count
	ip        *count
	lapse     *time.Timer
	state     slotState
}

type slotState int8

const (
	reserved slotState = iota
	confirmed
	released
)

// Reserve takes a slot, or says which limit is in the way: TooMany with the code connection_limit, channel_connection_limit,
// subject_connection_limit, ip_connection_limit, connect_rate or ip_connect_rate, and when to try again, which is another time for
// each. Unless it is confirmed within 5 s the slot goes back by itself.
func (a *Admission) Reserve(ctx context.Context, r Request, l tenants.Limits) (*Slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, tenants.Errorf(tenants.Unavailable, "cancelled", "%w", err)
	}
	if len(r.Channels) > tenants.MaxChannels {
		return nil, tenants.Errorf(tenants.Invalid, "too_many_channels", "one connection can have at most %d channels", tenants.MaxChannels)
	}
	r.IP = node.Network(r.IP)
	a.mu.Lock()
	defer a.mu.Unlock()
	var o *occupancy
	for {
		o = a.open[r.Tenant]
		if err := a.room(o, r, l); err != nil {
			return nil, err
		}
		if again, err := a.cover(ctx, r, l); err != nil {
			return nil, err
		} else if !again {
			break
		}
	}
	if err := a.takeFrom(r, l); err != nil {
		return nil, err
	}
	if wait, ok := a.connects.Take(r.Tenant, a.share(l.ConnectsPerSecond), 1); !ok {
		return nil, full("connect_rate", "too many connections were opened within a second", max(wait, connectAgain))
	}
	o = a.occupancy(r.Tenant)
	s := &Slot{admission: a, occupancy: o}
	s.channels = s.one[:0]
	if len(r.Channels) > len(s.one) {
		s.channels = make([]*count, 0, len(r.Channels))
	}
	o.all.n++
	for i, c := range r.Channels {
		if !slices.Contains(r.Channels[:i], c) { // one connection counts once
			s.channels = append(s.channels, add(o.channels, c))
		}
	}
	if r.Subject != "" {
		s.subject = add(o.subjects, r.Subject)
	}
	if r.IP != "" {
		s.ip = add(o.ips, r.IP)
	}
	s.lapse = time.AfterFunc(confirmWithin, s.lapsed)
	a.warn(s, l)
	return s, nil
}

func (a *Admission) occupancy(t tenants.TenantID) *occupancy {
	o := a.open[t]
	if o == nil {
		o = &occupancy{
			tenant: tenants.TenantID(strings.Clone(string(t))), channels: make(map[string]*count), subjects: make(map[string]*count), ips: make(map[string]*count),
		}
		a.open[o.tenant] = o
	}
	return o
}

// share is this node's part of a limit that each node keeps for itself.
func (a *Admission) share(limit int) int {
	if a.node == nil || limit <= 0 {
		return limit
	}
	live := a.node.Live()
	return (limit + live - 1) / live
}

// room tells which of the limits that this process keeps by itself is in the way. It is called under the lock; o may be nil.
func (a *Admission) room(o *occupancy, r Request, l tenants.Limits) error {
	if o == nil {
		o = &occupancy{}
	}
	over := func(m map[string]*count, name string, limit int) bool {
		c := m[name]
		return limit > 0 && c != nil && c.n >= limit
	}
	if r.IP != "" && over(o.ips, r.IP, a.share(l.ConnectionsPerIP)) {
		return full("ip_connection_limit", "the address has as many connections open as the account's limit allows", tryAgain)
	}
	if a.node != nil {
		return nil // the others are common
	}
	if l.Connections > 0 && o.all.n >= l.Connections {
		return fullTenant()
	}
	for _, c := range r.Channels {
		if over(o.channels, c, l.ConnectionsPerChannel) {
			return fullChannel()
		}
	}
	if r.Subject != "" && over(o.subjects, r.Subject, l.ConnectionsPerSubject) {
		return fullSubject()
	}
	return nil
}

// When to try again at the earliest. Nobody is told just that, see full.
const (
	tryAgain     = 5 * time.Second
	connectAgain = 2 * time.Second
)

func fullTenant() *tenants.Error {
	return full("connection_limit", "the account has as many connections open as its limit allows", tryAgain)
}

func fullChannel() *tenants.Error {
	return full("channel_connection_limit", "the channel has as many connections open as the account's limit allows", tryAgain)
}

func fullSubject() *tenants.Error {
	return full("subject_connection_limit", "the subject has as many connections open as the account's limit allows", tryAgain)
}

// full refuses. Those who are refused together are told different times, so that they do not come back together.
func full(code, detail string, after time.Duration) *tenants.Error {
	return &tenants.Error{Kind: tenants.TooMany, Code: code, Detail: detail, RetryAfter: after + rand.N(2*after)}
}

// add counts one more. The map keeps a copy of a new name: a transport's strings may live in a buffer that is used again.
func add(m map[string]*count, name string) *count {
	c := entry(m, name)
	c.n++
	return c
}

func entry(m map[string]*count, name string) *count {
	c := m[name]
	if c == nil {
		c = &count{name: strings.Clone(name)}
		m[c.name] = c
	}
	return c
}

// Confirm says that the connection is there. False: the slot has lapsed or been released, and the connection is to be closed.
func (s *Slot) Confirm() bool {
	s.admission.mu.Lock()
	defer s.admission.mu.Unlock()
	if s.state != reserved {
		return s.state == confirmed
	}
	s.state = confirmed
	s.lapse.Stop()
	s.lapse = nil
	return true
}

// Release gives the slot back, once however often it is called.
func (s *Slot) Release() {
	s.admission.mu.Lock()
	defer s.admission.mu.Unlock()
	if s.lapse != nil {
		s.lapse.Stop()
	}
	s.release()
}

func (s *Slot) lapsed() {
	s.admission.mu.Lock()
	defer s.admission.mu.Unlock()
	if s.state == reserved {
		s.release()
	}
}

func (s *Slot) release() {
	if s.state == released {
		return
	}
	s.state = released
	s.lapse = nil
	a, o := s.admission, s.occupancy
	for _, c := range s.channels {
		a.drop(o.channels, c)
	}
	a.drop(o.subjects, s.subject)
	a.drop(o.ips, s.ip)
	o.all.n--
	a.released(&o.all)
	a.tidy(o)
}

// drop takes one off. An entry that has come to zero leaves unless it holds a block.
func (a *Admission) drop(m map[string]*count, c *count) {
	if c == nil {
		return
	}
	c.n--
	a.released(c)
	if c.idle() {
		delete(m, c.name)
	}
}

// idle tells whether nothing is lost where the entry is.
func (c *count) idle() bool { return c.n == 0 && c.block.empty() }

// tidy removes the tenant's occupancy where that is empty.
func (a *Admission) tidy(o *occupancy) {
	if o.all.idle() && len(o.channels) == 0 && len(o.subjects) == 0 && len(o.ips) == 0 && a.open[o.tenant] == o {
		delete(a.open, o.tenant)
	}
}

// Usage is what a tenant has open in this process, slots about to open included.
type Usage struct {
	Connections int
	Channels    int // that have a connection
	Subjects    int
}

// Usage counts what the tenant has open.
func (a *Admission) Usage(tenant tenants.TenantID) Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.open[tenant]
	if o == nil {
		return Usage{}
	}
	return Usage{o.all.n, used(o.channels), used(o.subjects)}
}

func used(m map[string]*count) (n int) {
	for _, c := range m {
		if c.n > 0 {
			n++
		}
	}
	return n
}
