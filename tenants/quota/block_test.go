package quota_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

var slotsRow = tenants.Key{Tenant: rig.LogTenant, Kind: "slots", Sort: "all"}

// A connect makes no calls while the block lasts, nor if there is no shared limit.
func TestConnectsCostNothingWhileABlockLasts(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		r := quota.Request{Tenant: rig.LogTenant, Channels: []string{"orders"}, Subject: "alice"}
		calls := func() int { return fl.Table.Count("Get") + fl.Table.Count("Write") }
		before := calls()
		for range 100 {
			rig.Ok(fl.Sites[0].Connect(r, tenants.Limits{ConnectionsPerIP: 5, ConnectsPerSecond: 1000}))(t)
		}
		if n := calls() - before; n != 0 {
			t.Errorf("%d calls for connects without a shared limit, want 0", n)
		}
		before = calls()
		rig.Ok(fl.Sites[0].Connect(r, tenants.Limits{Connections: 10_000}))(t)
		first := calls() - before
		for range 200 {
			rig.Ok(fl.Sites[0].Connect(r, tenants.Limits{Connections: 10_000}))(t)
		}
		if n := calls() - before; first != 2 || n != 2 {
			t.Errorf("%d calls for the first connect, %d for 201, want 2 and 2", first, n)
		}
	})
}

// Each shared limit holds over all nodes, and only for what it limits.
func TestCommonLimits(t *testing.T) {
	base := quota.Request{Tenant: rig.LogTenant, Channels: []string{"x", "y"}, Subject: "alice"}
	for _, c := range []struct {
		code   string
		limits tenants.Limits
		second quota.Request // is admitted although the first is not
	}{
		{"connection_limit", tenants.Limits{Connections: 3}, quota.Request{Tenant: "ten_b"}},
		{"channel_connection_limit", tenants.Limits{ConnectionsPerChannel: 3},
			quota.Request{Tenant: rig.LogTenant, Channels: []string{"z"}}},
		{"subject_connection_limit", tenants.Limits{ConnectionsPerSubject: 3},
			quota.Request{Tenant: rig.LogTenant, Subject: "bob"}},
	} {
		t.Run(c.code, func(t *testing.T) {
			rig.InFleet(t, 3, func(t *testing.T, fl *rig.Fleet) {
				var seats []*rig.Seat
				for _, s := range fl.Sites {
					seats = append(seats, rig.Ok(s.Connect(base, c.limits))(t))
				}
				for _, s := range fl.Sites {
					_, err := s.Connect(base, c.limits)
					rig.WantError(t, err, tenants.TooMany, c.code)
					rig.Ok(s.Connect(c.second, tenants.Limits{}))(t)
				}
				// Another node gets a slot soon after it is free, because the refusals above are recorded. If a request
				// counts against several limits it asks for one after the other.
				fl.Sites[0].Disconnect(seats[0])
				var err error
				for range 2 {
					time.Sleep(2 * time.Second)
					if _, err = fl.Sites[1].Connect(base, c.limits); err == nil {
						break
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				_, err = fl.Sites[0].Connect(base, c.limits)
				rig.WantError(t, err, tenants.TooMany, c.code)
			})
		})
	}
}

// A node returns what it does not use within 2 s after another node refused a client.
func TestUnusedSlotsComeBack(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		r, limits := quota.Request{Tenant: rig.LogTenant}, tenants.Limits{Connections: 100}
		rig.Ok(fl.Sites[0].Connect(r, limits))(t)
		granted := 0
		for began := time.Now(); time.Since(began) < 2500*time.Millisecond; time.Sleep(10 * time.Millisecond) {
			if _, err := fl.Sites[1].Connect(r, limits); err == nil {
				granted++
			}
		}
		if granted != 99 {
			t.Errorf("%d of 99 free slots were given out, want all", granted)
		}
		held := rig.HeldBy(t, fl.Table, slotsRow)
		if held[fl.Sites[0].Node.ID()] != 1 || held[fl.Sites[1].Node.ID()] != 99 {
			t.Errorf("the row says %v, want 1 and 99", held)
		}
	})
}

// A row never says less than is given out, even if puts fail, stored or not.
func TestBlocksUnderFailures(t *testing.T) {
	for seed := range max(20, depth.Schedules()/10) {
		synctest.Test(t, func(t *testing.T) {
			faults := tenantstest.Faults{Seed: seed, Lost: 0.15, Stored: 0.15, Unread: 0.1,
				Latency: 20 * time.Millisecond}
			fl := rig.NewFleet(t, faults, 3)
			r, limits := quota.Request{Tenant: rig.LogTenant}, tenants.Limits{Connections: 7}
			var seats [3][]*rig.Seat
			for round := range 60 {
				at := (round*7 + int(seed)) % 3
				if seat, err := fl.Sites[at].Connect(r, limits); err == nil {
					seats[at] = append(seats[at], seat)
				}
				if n := fl.Total(rig.LogTenant, nil); n > 7 {
					t.Errorf("seed %d: %d open, want at most 7", seed, n)
				}
				for i, s := range fl.Sites {
					if held := rig.HeldBy(t, fl.Table, slotsRow); s.Count(rig.LogTenant) > held[s.Node.ID()] {
						t.Errorf("seed %d: node %d (%s, %d names, held %v) has %d open, and the row says %v",
							seed, i, s.Node.ID(), s.Node.Incarnations(), s.Node.Held(), s.Count(rig.LogTenant), held)
					}
				}
				if gone := (round * 5) % 3; round%3 == 2 && len(seats[gone]) > 0 {
					fl.Sites[gone].Disconnect(seats[gone][0])
					seats[gone] = seats[gone][1:]
				}
				time.Sleep(200 * time.Millisecond)
			}
			fl.Close()
		})
	}
}

// A node that was taken for dead ends its newest connections, as many as have lost their slots to other nodes.
func TestAWokenNodeShedsWhatItHasNoSlotsFor(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		r, limits := quota.Request{Tenant: rig.LogTenant}, tenants.Limits{Connections: 10}
		sleeper, other := fl.Sites[0], fl.Sites[1]
		var seats []*rig.Seat
		for range 8 {
			seats = append(seats, rig.Ok(sleeper.Connect(r, limits))(t))
			time.Sleep(time.Second)
		}
		sleeper.Freeze()
		granted := 0
		for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
			if other.Count(rig.LogTenant) < 5 {
				if _, err := other.Connect(r, limits); err == nil {
					granted++
				}
			}
		}
		if granted != 5 {
			t.Fatalf("%d slots were given out within 30 s after a node froze, want 5", granted)
		}
		sleeper.Thaw()
		if _, err := sleeper.Connect(r, limits); err == nil {
			t.Error("a node that has just woken admits a client")
		}
		time.Sleep(3 * time.Second)
		if n := fl.Total(rig.LogTenant, nil); n != 10 {
			t.Errorf("%d are open, want 10", n)
		}
		for i, s := range seats {
			select {
			case <-s.Gone:
				if i < 5 {
					t.Errorf("connection %d was ended, want only 5 and later", i)
				}
			default:
			}
		}
	})
}

// A node that is cut off stops admitting when its lease lapses. It keeps its connections if nobody needed their slots.
func TestANodeThatIsCutOffAdmitsNobody(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		s, r, limits := fl.Sites[0], quota.Request{Tenant: rig.LogTenant}, tenants.Limits{Connections: 1000}
		for range 5 {
			rig.Ok(s.Connect(r, limits))(t)
		}
		s.Cut()
		rig.Ok(s.Connect(r, limits))(t) // from its block, while its lease is held
		time.Sleep(30 * time.Second)
		if _, err := s.Connect(r, limits); tenants.CodeOf(err) != "node_without_lease" {
			t.Errorf("cut off for 30 s: got %v, want node_without_lease", err)
		}
		rig.Ok(s.Connect(r, tenants.Limits{}))(t).Slot.Release()
		s.Mend()
		time.Sleep(3 * time.Second)
		rig.Ok(s.Connect(r, limits))(t)
		if n := s.Count(rig.LogTenant); n != 8 {
			t.Errorf("%d are open, want 8", n)
		}
	})
}

// Limits per address and per second are divided among the nodes.
func TestSharesOfNodes(t *testing.T) {
	rig.InFleet(t, 3, func(t *testing.T, fl *rig.Fleet) {
		time.Sleep(15 * time.Second)
		r, granted := quota.Request{Tenant: rig.LogTenant, IP: "192.0.2.1"}, 0
		for range 10 {
			if _, err := fl.Sites[0].Connect(r, tenants.Limits{ConnectionsPerIP: 10}); err == nil {
				granted++
			}
		}
		if granted != 4 {
			t.Errorf("%d of a limit of 10 on one of three nodes, want 4", granted)
		}
		for name, limits := range map[string]tenants.Limits{
			"connects per second": {ConnectsPerSecond: 10},
			"from an address":     {ConnectsPerSecondIP: 10},
		} {
			r.IP, granted = "192.0.2."+fmt.Sprint(len(name)), 0
			for range 20 {
				if _, err := fl.Sites[1].Connect(r, limits); err == nil {
					granted++
				}
			}
			if granted != 4 {
				t.Errorf("%s: %d of a limit of 10 on one of three nodes, want 4", name, granted)
			}
		}
		fl.Sites[0].End() // the node that is left has a larger share
		fl.Sites[2].End()
		time.Sleep(time.Minute)
		granted = 0
		for range 20 {
			r := quota.Request{Tenant: rig.LogTenant, IP: "192.0.2.99"}
			if _, err := fl.Sites[1].Connect(r, tenants.Limits{ConnectsPerSecond: 10}); err == nil {
				granted++
			}
		}
		if granted != 10 {
			t.Errorf("%d of a limit of 10 on the only node left, want 10", granted)
		}
	})
}

// The stored form of a row of slots. A change here is a migration.
func TestSlotsRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fl := rig.NewFleet(t, tenantstest.Faults{}, 1)
		rig.Ok(fl.Sites[0].Connect(quota.Request{Tenant: rig.LogTenant, Channels: []string{"orders"}, Subject: "alice"},
			tenants.Limits{Connections: 1, ConnectionsPerChannel: 1, ConnectionsPerSubject: 1}))(t)
		sum := sha256.Sum256(append([]byte{0, 0, 0, 0, 0, 0, 0, 5}, "alice"...))
		subject := "subject/" + hex.EncodeToString(sum[:16])
		want := `{"Held":{"` + fl.Sites[0].Node.ID() + `":1},"Wanted":"0001-01-01T00:00:00Z"}`
		for _, sort := range []string{"all", "channel/orders", subject} {
			row, err := fl.Table.Get(context.Background(),
				tenants.Key{Tenant: rig.LogTenant, Kind: "slots", Sort: sort})
			if err != nil || string(row.Body) != want || row.Expires.IsZero() {
				t.Errorf("%s: got %v, %s, want %s and an expiry", sort, err, row.Body, want)
			}
		}
		fl.Close()
	})
}

// While a block is being fetched, other clients may take its slots before the one that fetched it. That one then
// fetches again, and is not refused although the limit is far away.
func TestNobodyIsRefusedWhileThereIsRoom(t *testing.T) {
	rig.InFleet(t, 1, func(t *testing.T, fl *rig.Fleet) {
		r := quota.Request{Tenant: rig.LogTenant}
		rig.Ok(fl.Sites[0].Connect(r, tenants.Limits{Connections: 1}))(t)
		_, err := fl.Sites[0].Connect(r, tenants.Limits{Connections: 1})
		// from now on a block is as small as possible
		rig.WantError(t, err, tenants.TooMany, "connection_limit")
		time.Sleep(time.Second)
		var clients sync.WaitGroup
		for range 64 {
			clients.Go(func() {
				for range 50 {
					if _, err := fl.Sites[0].Connect(r, tenants.Limits{Connections: 100_000}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		clients.Wait()
	})
}
