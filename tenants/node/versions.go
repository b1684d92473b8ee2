package node

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

// checkEvery is how often a node reads the version of each tenant that has connections. It finds changes that way whose
// notices were lost.
const checkEvery = 30 * time.Second

// versionCheck is the last version of a tenant that the node has seen.
type versionCheck struct {
	version int64 // -1 before the first check
	next    time.Time
}

// watchVersions checks versions until ctx ends. The checks of different tenants are spread over checkEvery.
func (n *Node) watchVersions(ctx context.Context, f Fanout) {
	checks := make(map[tenants.TenantID]versionCheck)
	for worker.Wait(ctx, time.Second) {
		now, before := time.Now(), checks
		checks = make(map[tenants.TenantID]versionCheck)
		var due []tenants.TenantID
		for _, t := range f.Tenants() {
			c, known := before[t]
			if !known {
				c = versionCheck{-1, now.Add(rand.N(checkEvery))}
			}
			if !now.Before(c.next) {
				due = append(due, t)
				c.next = now.Add(checkEvery)
			}
			checks[t] = c
		}
		n.checkVersions(ctx, f, due, checks)
	}
}

// checkVersions reads the tenants' versions and reloads each tenant whose version has changed. The first check reloads
// too: what was read when the connections came may be older.
func (n *Node) checkVersions(ctx context.Context, f Fanout, due []tenants.TenantID,
	checks map[tenants.TenantID]versionCheck) {
	versions := make([]int64, len(due))
	failed := make([]error, len(due))
	worker.Parallel(len(due), worker.NodesAtOnce, func(i int) error {
		ctx, cancel := context.WithTimeout(ctx, worker.CallTime)
		defer cancel()
		versions[i], failed[i] = tenants.VersionOf(ctx, n.o.Table, due[i])
		return nil
	})
	for i, t := range due {
		c := checks[t]
		switch {
		case failed[i] != nil:
			c.next = time.Now()
		case c.version != versions[i]:
			c.version = versions[i]
			n.reload(f, t)
		}
		checks[t] = c
	}
}
