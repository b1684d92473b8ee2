package quota

import (
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// confirmWithin is how long a slot is reserved. A connection may fail before its handler runs, and then nobody
// releases it.
const confirmWithin = 5 * time.Second

// Slot is the place of one connection under the limits.
type Slot struct {
	admission *Admission
	occupancy *occupancy
	channels  []*count
	one       [1]*count // the array of channels in the usual case
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

// Confirm keeps the slot until Release. It returns false if the slot has lapsed or been released: the caller must then
// close the connection.
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

// Release gives the slot back. It may be called more than once.
func (s *Slot) Release() { s.release(confirmed) }

func (s *Slot) lapsed() { s.release(reserved) }

// release gives the slot back if it is in one of the states up to last.
func (s *Slot) release(last slotState) {
	a, o := s.admission, s.occupancy
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.state > last {
		return
	}
	if s.lapse != nil {
		s.lapse.Stop()
	}
	s.state, s.lapse = released, nil
	for _, c := range s.channels {
		a.decrement(o.channels, c)
	}
	a.decrement(o.subjects, s.subject)
	a.decrement(o.ips, s.ip)
	o.all.n--
	a.afterRelease(&o.all)
	a.removeIfEmpty(o)
}

// occupancy is what a tenant has open. It and its counts are removed when they are idle.
type occupancy struct {
	tenant                  tenants.TenantID
	warned                  map[string]string // by limit, the day of the last warning
	all                     count
	channels, subjects, ips map[string]*count
}

// count counts the connections of a tenant, channel, subject or network, reserved slots included.
type count struct {
	name  string
	n     int
	block *block // nil if there is no shared count
}

// idle reports whether the count can be removed.
func (c *count) idle() bool { return c.n == 0 && c.block.empty() }

// increment adds one to the count of name.
func increment(m map[string]*count, name string) *count {
	c := countFor(m, name)
	c.n++
	return c
}

// countFor returns the count of name and makes it if necessary. It copies the name, because a transport's strings may
// be in a buffer that is reused.
func countFor(m map[string]*count, name string) *count {
	c := m[name]
	if c == nil {
		c = &count{name: strings.Clone(name)}
		m[c.name] = c
	}
	return c
}

// decrement subtracts one from c, which may be nil, and removes c if it is then idle.
func (a *Admission) decrement(m map[string]*count, c *count) {
	if c == nil {
		return
	}
	c.n--
	a.afterRelease(c)
	if c.idle() {
		delete(m, c.name)
	}
}

// removeIfEmpty removes an occupancy without counts.
func (a *Admission) removeIfEmpty(o *occupancy) {
	if o.all.idle() && len(o.channels)+len(o.subjects)+len(o.ips) == 0 && a.open[o.tenant] == o {
		delete(a.open, o.tenant)
	}
}
