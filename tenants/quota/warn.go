package quota

import (
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// warn has the tenant told, once a day for each limit, that most of it is in use. Addresses are left out: one client reaches its limit, and
// nothing of the account's is scarce. Called under the lock, with a slot that was just given.
func (a *Admission) warn(s *Slot, l tenants.Limits) {
	if a.Notices == nil || a.over {
		return
	}
	o := s.occupancy
	a.scarce(o, l, "connections", o.all.open(), l.Connections)
	if l.ConnectionsPerChannel > 0 {
		most := 0
		for _, c := range s.channels {
			most = max(most, c.open())
		}
		a.scarce(o, l, "connections_per_channel", most, l.ConnectionsPerChannel)
	}
	if s.subject != nil {
		a.scarce(o, l, "connections_per_subject", s.subject.open(), l.ConnectionsPerSubject)
	}
	if share := a.share(l.ConnectsPerSecond); share > 0 && tenants.NearLimit(int64(a.connects.Used(o.tenant)), int64(share)) {
		a.scarce(o, l, "connects_per_second", l.ConnectsPerSecond, l.ConnectsPerSecond)
	}
}

// open is how many connections there are over all nodes, as far as this one knows.
func (c *count) open() int { return c.n + c.block.elsewhere() }

func (a *Admission) scarce(o *occupancy, l tenants.Limits, limit string, used, most int) {
	if !tenants.NearLimit(int64(used), int64(most)) {
		return
	}
	today := time.Now().UTC().Format(time.DateOnly)
	if o.warned[limit] == today {
		return
	}
	if o.warned == nil {
		o.warned = make(map[string]string)
	}
	o.warned[limit] = today
	tenant := o.tenant
	a.work.Go(func() { a.Notices.Scarce(a.ctx, tenant, l, limit, int64(most), today) })
}

// Connecting is how many connections of the tenant were opened on this node within the last second or so, where their rate is limited.
func (a *Admission) Connecting(t tenants.TenantID) int { return a.connects.Used(t) }
