package node

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

// versionEvery is how often a node looks at the version of each tenant that has connections: what it was not told of it finds by that.
const versionEvery = 30 * time.Second

// countLive is what a node has seen of a tenant's version.
type versionCheck struct {
	version int64 // -1: none yet
	next    time.Time
}

// watchVersions looks at versions until ctx ends, at each tenant's at a time of its own.
func (n *Node) watchVersions(ctx context.Context, f Fanout) {
	looks := make(map[tenants.TenantID]versionCheck)
	for worker.Wait(ctx, time.Second) {
		now, before := time.Now(), looks
		looks = make(map[tenants.TenantID]versionCheck)
		var due []tenants.TenantID
		for _, t := range f.Tenants() {
			l, known := before[t]
			if !known {
				l = versionCheck{-1, now.Add(rand.N(versionEvery))}
			}
			if !now.Before(l.next) {
				due = append(due, t)
				l.next = now.Add(versionEvery)
			}
			looks[t] = l
		}
		n.compareVersions(ctx, f, due, looks)
	}
}

// compareVersions looks at the tenants' versions and has every tenant looked at anew whose version is not the one that was seen, or has never
// been: what was read when its connections came in may be older.
func (n *Node) compareVersions(ctx context.Context, f Fanout, due []tenants.TenantID, looks map[tenants.TenantID]versionCheck) {
	versions := make([]int64, len(due))
	failed := make([]error, len(due))
	worker.Parallel(len(due), worker.NodesAtOnce, func(i int) error {
		ctx, cancel := context.WithTimeout(ctx, worker.CallTime)
		defer cancel()
		versions[i], failed[i] = tenants.VersionOf(ctx, n.o.Table, due[i])
		return nil
	})
	for i, t := range due {
		l := looks[t]
		switch {
		case failed[i] != nil:
			l.next = time.Now()
		case l.version != versions[i]:
			l.version = versions[i]
			n.reload(f, t)
		}
		looks[t] = l
	}
}
