package quota

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// refusal is the code and detail of the error for a limit that is reached.
type refusal struct{ code, detail string }

var (
	tenantFull  = refusal{"connection_limit", "the account has as many connections open as its limit allows"}
	channelFull = refusal{"channel_connection_limit",
		"the channel has as many connections open as the account's limit allows"}
	subjectFull = refusal{"subject_connection_limit",
		"the subject has as many connections open as the account's limit allows"}
	addressFull = refusal{"ip_connection_limit",
		"the address has as many connections open as the account's limit allows"}
	tenantTooFast  = refusal{"connect_rate", "too many connections were opened within a second"}
	addressTooFast = refusal{"ip_connect_rate", "too many connections were opened from this address within a second"}
)

// The shortest times after which to try again.
const (
	tryAgain     = 5 * time.Second
	connectAgain = 2 * time.Second
)

// after returns the error, with a random time of d to 3d after which to try again, so that clients that are refused
// together do not come back together.
func (r refusal) after(d time.Duration) *tenants.Error {
	return &tenants.Error{Kind: tenants.TooMany, Code: r.code, Detail: r.detail, RetryAfter: d + rand.N(2*d)}
}

// address is a network from which a tenant's clients connect.
type address struct {
	tenant  tenants.TenantID
	network string
}

// takeAddressRate counts a connect against the rate of its address. Loopback addresses have no rate: they belong to the
// operator, or to a reverse proxy that the deployment does not know, which then stands for all clients.
func (a *Admission) takeAddressRate(r Request, l tenants.Limits) error {
	if l.ConnectsPerSecondIP <= 0 || r.IP == "" {
		return nil
	}
	if addr, err := netip.ParseAddr(r.IP); err == nil && addr.IsLoopback() {
		return nil
	}
	k := address{tenants.TenantID(strings.Clone(string(r.Tenant))), strings.Clone(r.IP)}
	if wait, ok := a.addressRates.Take(k, a.share(l.ConnectsPerSecondIP), 1); !ok {
		return addressTooFast.after(max(wait, connectAgain))
	}
	return nil
}

// warn warns the tenant of s once a day for each limit that is mostly in use. There is no warning about addresses: the
// limit of one client says nothing about the account. The caller holds mu and has just given out s.
func (a *Admission) warn(s *Slot, l tenants.Limits) {
	if a.Notices == nil || a.closed {
		return
	}
	o := s.occupancy
	a.warnOf(o, l, "connections", o.all.everywhere(), l.Connections)
	for _, c := range s.channels {
		a.warnOf(o, l, "connections_per_channel", c.everywhere(), l.ConnectionsPerChannel)
	}
	if s.subject != nil {
		a.warnOf(o, l, "connections_per_subject", s.subject.everywhere(), l.ConnectionsPerSubject)
	}
	if share := a.share(l.ConnectsPerSecond); tenants.NearLimit(int64(a.connectRates.Used(o.tenant)), int64(share)) {
		a.warnOf(o, l, "connects_per_second", l.ConnectsPerSecond, l.ConnectsPerSecond)
	}
}

// everywhere returns the number of connections on all nodes, as far as this node knows.
func (c *count) everywhere() int {
	if c.block == nil {
		return c.n
	}
	return c.n + c.block.others
}

// warnOf warns of one limit if most of it is used and today's warning has not been sent.
func (a *Admission) warnOf(o *occupancy, l tenants.Limits, limit string, used, most int) {
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
