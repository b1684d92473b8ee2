package tenants

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Admission gives out connection slots under a tenant's limits. Its counts are this process's own and strict: however many ask at
// once, no more are open or about to open than the limit allows. With several processes each has its own counts; Reserve takes
// a context and may fail for want of an answer so that leased blocks of a common count can come underneath.
type Admission struct {
	connects *Rate

	mu   sync.Mutex // guards the rest, and the state of every slot
	open map[TenantID]*occupancy
}

// NewAdmission makes an Admission with nothing open.
func NewAdmission() *Admission {
	return &Admission{connects: NewRate(10_000), open: make(map[TenantID]*occupancy)}
}

// confirmWithin is how long a slot is held for a connection that does not come about: the reply may fail before its
// handler runs, and nobody is told.
const confirmWithin = 5 * time.Second

// AdmissionRequest says what a connection wants to count against. The strings are copied where they are kept.
type AdmissionRequest struct {
	Tenant   TenantID
	Channels []string // at most MaxChannels
	Subject  string   // "": none
	IP       string   // "": unknown, and not counted
}

// occupancy is what a tenant has open. Entries leave when they reach zero, and so does the occupancy itself.
type occupancy struct {
	tenant                  TenantID
	connections             int
	channels, subjects, ips map[string]*count
}

type count struct {
	name string
	n    int
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
// subject_connection_limit, ip_connection_limit or connect_rate, and when to try again. Unless it is confirmed within 5 s the
// slot goes back by itself.
func (a *Admission) Reserve(ctx context.Context, r AdmissionRequest, l Limits) (*Slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, Errorf(Unavailable, "cancelled", "%w", err)
	}
	if len(r.Channels) > MaxChannels {
		return nil, Errorf(Invalid, "too_many_channels", "one connection can have at most %d channels", MaxChannels)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.open[r.Tenant]
	if err := o.room(r, l); err != nil {
		return nil, err
	}
	if wait, ok := a.connects.Take(r.Tenant, l.ConnectsPerSecond, 1); !ok {
		return nil, full("connect_rate", "too many connections were opened within a second", max(wait, time.Second))
	}
	if o == nil {
		o = &occupancy{
			tenant: TenantID(strings.Clone(string(r.Tenant))), channels: make(map[string]*count), subjects: make(map[string]*count), ips: make(map[string]*count),
		}
		a.open[o.tenant] = o
	}
	s := &Slot{admission: a, occupancy: o}
	s.channels = s.one[:0]
	if len(r.Channels) > len(s.one) {
		s.channels = make([]*count, 0, len(r.Channels))
	}
	o.connections++
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
	return s, nil
}

// room tells which limit is in the way. It is called under the lock; o may be nil.
func (o *occupancy) room(r AdmissionRequest, l Limits) error {
	const again = 5 * time.Second
	if o == nil {
		o = &occupancy{}
	}
	over := func(m map[string]*count, name string, limit int) bool {
		c := m[name]
		return limit > 0 && c != nil && c.n >= limit
	}
	if l.Connections > 0 && o.connections >= l.Connections {
		return full("connection_limit", "the account has as many connections open as its limit allows", again)
	}
	for _, c := range r.Channels {
		if over(o.channels, c, l.ConnectionsPerChannel) {
			return full("channel_connection_limit", "the channel has as many connections open as the account's limit allows", again)
		}
	}
	if r.Subject != "" && over(o.subjects, r.Subject, l.ConnectionsPerSubject) {
		return full("subject_connection_limit", "the subject has as many connections open as the account's limit allows", again)
	}
	if r.IP != "" && over(o.ips, r.IP, l.ConnectionsPerIP) {
		return full("ip_connection_limit", "the address has as many connections open as the account's limit allows", again)
	}
	return nil
}

func full(code, detail string, after time.Duration) *Error {
	return &Error{Kind: TooMany, Code: code, Detail: detail, RetryAfter: after}
}

// add counts one more. The map keeps a copy of a new name: a transport's strings may live in a buffer that is used again.
func add(m map[string]*count, name string) *count {
	c := m[name]
	if c == nil {
		c = &count{name: strings.Clone(name)}
		m[c.name] = c
	}
	c.n++
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
	o := s.occupancy
	for _, c := range s.channels {
		drop(o.channels, c)
	}
	drop(o.subjects, s.subject)
	drop(o.ips, s.ip)
	if o.connections--; o.connections == 0 {
		delete(s.admission.open, o.tenant)
	}
}

func drop(m map[string]*count, c *count) {
	if c == nil {
		return
	}
	if c.n--; c.n == 0 {
		delete(m, c.name)
	}
}

// Usage is what a tenant has open in this process, slots about to open included.
type Usage struct {
	Connections int
	Channels    int // that have a connection
	Subjects    int
}

// Usage counts what the tenant has open.
func (a *Admission) Usage(tenant TenantID) Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.open[tenant]
	if o == nil {
		return Usage{}
	}
	return Usage{o.connections, len(o.channels), len(o.subjects)}
}
