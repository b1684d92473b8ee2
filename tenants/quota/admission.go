package quota

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/node"
)

// Warner tells a tenant with limits l that most of a limit is in use, once per period; intake.Notices is one.
type Warner interface {
	Scarce(ctx context.Context, tenant tenants.TenantID, l tenants.Limits, limit string, most int64, period string)
}

// Admission gives out connection slots under a tenant's limits. However many ask at once, no more connections are
// open or about to open than the limits allow. It is safe for concurrent use.
type Admission struct {
	// Notices warns tenants that have few connections left. It may be nil. Set it before the first Reserve.
	Notices Warner

	connectRates *cache.Rate[tenants.TenantID]
	addressRates *cache.Rate[address]
	node         *node.Node // nil if the Admission is not shared

	mu   sync.Mutex // guards the rest, and the state of every slot, count and block
	open map[tenants.TenantID]*occupancy

	// For background work, until Close.
	closed bool
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// New returns an Admission that counts the connections of this process alone.
func New() *Admission {
	a := &Admission{
		connectRates: cache.NewRate[tenants.TenantID](10_000),
		addressRates: cache.NewRate[address](100_000),
		open:         make(map[tenants.TenantID]*occupancy),
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// NewShared returns an Admission whose limits hold over all nodes. n maintains it while n runs, and closes it in Leave.
func NewShared(n *node.Node) *Admission {
	a := New()
	a.node = n
	n.SetSlots(a)
	return a
}

// Request says what a connection counts against. Reserve copies the strings that it keeps.
type Request struct {
	Tenant   tenants.TenantID
	Channels []string // at most tenants.MaxChannels
	Subject  string   // may be ""
	IP       string   // "" is not counted. An IPv6 address counts as its /64, which one client is likely to own
}

// Reserve takes a slot. If a limit is reached it fails with TooMany, a random time after which to try again, and the
// code connection_limit, channel_connection_limit, subject_connection_limit, ip_connection_limit, connect_rate or
// ip_connect_rate. A slot that is not confirmed within 5 s is released by itself.
func (a *Admission) Reserve(ctx context.Context, r Request, l tenants.Limits) (*Slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, tenants.Errorf(tenants.Unavailable, "cancelled", "%w", err)
	}
	if len(r.Channels) > tenants.MaxChannels {
		return nil, tenants.Errorf(tenants.Invalid, "too_many_channels",
			"one connection can have at most %d channels", tenants.MaxChannels)
	}
	r.IP = node.Network(r.IP)
	a.mu.Lock()
	defer a.mu.Unlock()
	for again := true; again; {
		err := a.checkLocal(a.open[r.Tenant], r, l)
		if err == nil {
			again, err = a.ensureSlots(ctx, r, l)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := a.takeAddressRate(r, l); err != nil {
		return nil, err
	}
	if wait, ok := a.connectRates.Take(r.Tenant, a.share(l.ConnectsPerSecond), 1); !ok {
		return nil, tenantTooFast.after(max(wait, connectAgain))
	}
	o := a.occupancy(r.Tenant)
	s := &Slot{admission: a, occupancy: o}
	s.channels = slices.Grow(s.one[:0], len(r.Channels))
	o.all.n++
	for i, c := range r.Channels {
		if !slices.Contains(r.Channels[:i], c) { // a connection counts once per channel
			s.channels = append(s.channels, increment(o.channels, c))
		}
	}
	if r.Subject != "" {
		s.subject = increment(o.subjects, r.Subject)
	}
	if r.IP != "" {
		s.ip = increment(o.ips, r.IP)
	}
	s.lapse = time.AfterFunc(confirmWithin, s.lapsed)
	a.warn(s, l)
	return s, nil
}

// occupancy returns the tenant's occupancy and makes it if necessary. The caller holds mu.
func (a *Admission) occupancy(t tenants.TenantID) *occupancy {
	o := a.open[t]
	if o == nil {
		o = &occupancy{
			tenant:   tenants.TenantID(strings.Clone(string(t))),
			channels: make(map[string]*count), subjects: make(map[string]*count), ips: make(map[string]*count),
		}
		a.open[o.tenant] = o
	}
	return o
}

// share returns this node's part of a limit that each node applies by itself, rounded up.
func (a *Admission) share(limit int) int {
	if a.node == nil || limit <= 0 {
		return limit
	}
	live := a.node.Live()
	return (limit + live - 1) / live
}

// checkLocal checks the limits that this process applies by itself. The caller holds mu; o may be nil.
func (a *Admission) checkLocal(o *occupancy, r Request, l tenants.Limits) error {
	if o == nil {
		o = &occupancy{}
	}
	reached := func(m map[string]*count, name string, limit int) bool {
		c := m[name]
		return limit > 0 && c != nil && c.n >= limit
	}
	if r.IP != "" && reached(o.ips, r.IP, a.share(l.ConnectionsPerIP)) {
		return addressFull.after(tryAgain)
	}
	if a.node != nil {
		return nil // ensureSlots checks the others
	}
	if l.Connections > 0 && o.all.n >= l.Connections {
		return tenantFull.after(tryAgain)
	}
	for _, c := range r.Channels {
		if reached(o.channels, c, l.ConnectionsPerChannel) {
			return channelFull.after(tryAgain)
		}
	}
	if r.Subject != "" && reached(o.subjects, r.Subject, l.ConnectionsPerSubject) {
		return subjectFull.after(tryAgain)
	}
	return nil
}

// Usage is what a tenant has open in this process, reserved slots included.
type Usage struct {
	Connections int
	Channels    int // with at least one connection
	Subjects    int
}

// Usage returns what the tenant has open.
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

// Connecting returns how many connections the tenant opened on this node within the last second or so. It counts only
// while there is a limit on that.
func (a *Admission) Connecting(t tenants.TenantID) int { return a.connectRates.Used(t) }
