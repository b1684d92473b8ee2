package tenants_test

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
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

var slotsRow = tenants.Key{Tenant: logTenant, Kind: "slots", Sort: "all"}

// A connect costs nothing while a block lasts, and where there is no limit there is no row.
func TestConnectsCostNothingWhileABlockLasts(t *testing.T) {
	inFleet(t, 2, func(t *testing.T, fl *fleet) {
		r := tenants.AdmissionRequest{Tenant: logTenant, Channels: []string{"orders"}, Subject: "alice"}
		calls := func() int { return fl.table.Count("Get") + fl.table.Count("Write") }
		before := calls()
		for range 100 {
			ok(fl.sites[0].connect(r, tenants.Limits{ConnectionsPerIP: 5, ConnectsPerSecond: 1000}))(t)
		}
		if n := calls() - before; n != 0 {
			t.Errorf("%d calls for connects without a common limit", n)
		}
		before = calls()
		ok(fl.sites[0].connect(r, tenants.Limits{Connections: 10_000}))(t)
		first := calls() - before
		for range 200 {
			ok(fl.sites[0].connect(r, tenants.Limits{Connections: 10_000}))(t)
		}
		if n := calls() - before; first != 2 || n != 2 {
			t.Errorf("%d calls for the first connect, %d for 201, want 2 and no more", first, n)
		}
	})
}

// Each common limit holds over nodes, and only where it applies.
func TestCommonLimits(t *testing.T) {
	base := tenants.AdmissionRequest{Tenant: logTenant, Channels: []string{"x", "y"}, Subject: "alice"}
	for _, c := range []struct {
		code   string
		limits tenants.Limits
		second tenants.AdmissionRequest // has room where the first has not
	}{
		{"connection_limit", tenants.Limits{Connections: 3}, tenants.AdmissionRequest{Tenant: "ten_b"}},
		{"channel_connection_limit", tenants.Limits{ConnectionsPerChannel: 3}, tenants.AdmissionRequest{Tenant: logTenant, Channels: []string{"z"}}},
		{"subject_connection_limit", tenants.Limits{ConnectionsPerSubject: 3}, tenants.AdmissionRequest{Tenant: logTenant, Subject: "bob"}},
	} {
		t.Run(c.code, func(t *testing.T) {
			inFleet(t, 3, func(t *testing.T, fl *fleet) {
				var seats []*seat
				for _, s := range fl.sites {
					seats = append(seats, ok(s.connect(base, c.limits))(t))
				}
				for _, s := range fl.sites {
					_, err := s.connect(base, c.limits)
					wantError(t, err, tenants.TooMany, c.code)
					ok(s.connect(c.second, tenants.Limits{}))(t)
				}
				// The slot of one node is another's as soon as it is free: the refusals above are remembered.
				// Of several counts each is asked for in turn.
				fl.sites[0].disconnect(seats[0])
				var err error
				for range 2 {
					time.Sleep(2 * time.Second)
					if _, err = fl.sites[1].connect(base, c.limits); err == nil {
						break
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				_, err = fl.sites[0].connect(base, c.limits)
				wantError(t, err, tenants.TooMany, c.code)
			})
		})
	}
}

// What a node does not use comes back within 2 s of another one's refusal.
func TestUnusedSlotsComeBack(t *testing.T) {
	inFleet(t, 2, func(t *testing.T, fl *fleet) {
		r, limits := tenants.AdmissionRequest{Tenant: logTenant}, tenants.Limits{Connections: 100}
		ok(fl.sites[0].connect(r, limits))(t)
		granted := 0
		for began := time.Now(); time.Since(began) < 2500*time.Millisecond; time.Sleep(10 * time.Millisecond) {
			if _, err := fl.sites[1].connect(r, limits); err == nil {
				granted++
			}
		}
		if granted != 99 {
			t.Errorf("%d of 99 free slots were given out", granted)
		}
		held := heldBy(t, fl.table, slotsRow)
		if held[fl.sites[0].node.ID()] != 1 || held[fl.sites[1].node.ID()] != 99 {
			t.Errorf("the row says %v", held)
		}
	})
}

// A put that was stored and reported failed, or was not, never has the row say less than is given out.
func TestBlocksUnderFailures(t *testing.T) {
	for seed := range max(20, depth.Schedules()/10) {
		synctest.Test(t, func(t *testing.T) {
			fl := newFleet(t, tenantstest.Faults{Seed: seed, Lost: 0.15, Stored: 0.15, Unread: 0.1, Latency: 20 * time.Millisecond}, 3)
			r, limits := tenants.AdmissionRequest{Tenant: logTenant}, tenants.Limits{Connections: 7}
			var seats [3][]*seat
			for round := range 60 {
				at := (round*7 + int(seed)) % 3
				if seat, err := fl.sites[at].connect(r, limits); err == nil {
					seats[at] = append(seats[at], seat)
				}
				if n := fl.total(logTenant, nil); n > 7 {
					t.Errorf("seed %d: %d open of 7", seed, n)
				}
				for i, s := range fl.sites {
					if held := heldBy(t, fl.table, slotsRow); s.count(logTenant) > held[s.node.ID()] {
						t.Errorf("seed %d: node %d (%s, %d names, held %v) has %d open, and the row says %v", seed, i, s.node.ID(), s.node.Incarnations(), s.node.Held(), s.count(logTenant), held)
					}
				}
				if gone := (round * 5) % 3; round%3 == 2 && len(seats[gone]) > 0 {
					fl.sites[gone].disconnect(seats[gone][0])
					seats[gone] = seats[gone][1:]
				}
				time.Sleep(200 * time.Millisecond)
			}
			fl.close()
		})
	}
}

// A node that was taken for dead finds its slots given out, and ends as many of its connections: the newest.
func TestAWokenNodeShedsWhatItHasNoSlotsFor(t *testing.T) {
	inFleet(t, 2, func(t *testing.T, fl *fleet) {
		r, limits := tenants.AdmissionRequest{Tenant: logTenant}, tenants.Limits{Connections: 10}
		sleeper, other := fl.sites[0], fl.sites[1]
		var seats []*seat
		for range 8 {
			seats = append(seats, ok(sleeper.connect(r, limits))(t))
			time.Sleep(time.Second)
		}
		sleeper.Freeze()
		granted := 0
		for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
			if other.count(logTenant) < 5 {
				if _, err := other.connect(r, limits); err == nil {
					granted++
				}
			}
		}
		if granted != 5 {
			t.Fatalf("%d slots were given out within 30 s of a node's freezing, 5 wanted", granted)
		}
		sleeper.Thaw()
		if _, err := sleeper.connect(r, limits); err == nil {
			t.Error("a node that has just woken admits")
		}
		time.Sleep(3 * time.Second)
		if n := fl.total(logTenant, nil); n != 10 {
			t.Errorf("%d are open, limit 10", n)
		}
		for i, s := range seats {
			select {
			case <-s.gone:
				if i < 5 {
					t.Errorf("connection %d was ended, and newer ones were not", i)
				}
			default:
			}
		}
	})
}

// A node that is cut off stops admitting, keeps what it has, and goes on where it was if nobody wanted its slots.
func TestANodeThatIsCutOffAdmitsNobody(t *testing.T) {
	inFleet(t, 2, func(t *testing.T, fl *fleet) {
		s, r, limits := fl.sites[0], tenants.AdmissionRequest{Tenant: logTenant}, tenants.Limits{Connections: 1000}
		for range 5 {
			ok(s.connect(r, limits))(t)
		}
		s.Cut()
		ok(s.connect(r, limits))(t) // of its block, while its lease holds
		time.Sleep(30 * time.Second)
		if _, err := s.connect(r, limits); tenants.CodeOf(err) != "node_without_lease" {
			t.Errorf("cut off for 30 s: %v", err)
		}
		ok(s.connect(r, tenants.Limits{}))(t).slot.Release()
		s.Mend()
		time.Sleep(3 * time.Second)
		ok(s.connect(r, limits))(t)
		if n := s.count(logTenant); n != 8 {
			t.Errorf("%d are open of those that came in", n)
		}
	})
}

// Per address and per second each node has its share.
func TestSharesOfNodes(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, fl *fleet) {
		time.Sleep(15 * time.Second)
		r, granted := tenants.AdmissionRequest{Tenant: logTenant, IP: "192.0.2.1"}, 0
		for range 10 {
			if _, err := fl.sites[0].connect(r, tenants.Limits{ConnectionsPerIP: 10}); err == nil {
				granted++
			}
		}
		if granted != 4 {
			t.Errorf("%d of a limit of 10 on one of three nodes", granted)
		}
		for name, limits := range map[string]tenants.Limits{"connects per second": {ConnectsPerSecond: 10}, "from an address": {ConnectsPerSecondIP: 10}} {
			r.IP, granted = "192.0.2."+fmt.Sprint(len(name)), 0
			for range 20 {
				if _, err := fl.sites[1].connect(r, limits); err == nil {
					granted++
				}
			}
			if granted != 4 {
				t.Errorf("%s: %d of a limit of 10 on one of three nodes", name, granted)
			}
		}
		fl.sites[0].end() // whoever is left has more
		fl.sites[2].end()
		time.Sleep(time.Minute)
		granted = 0
		for range 20 {
			if _, err := fl.sites[1].connect(tenants.AdmissionRequest{Tenant: logTenant, IP: "192.0.2.99"}, tenants.Limits{ConnectsPerSecond: 10}); err == nil {
				granted++
			}
		}
		if granted != 10 {
			t.Errorf("%d of a limit of 10 on the one node that is left", granted)
		}
	})
}

// The row of slots as it is stored. A change here is a migration.
func TestSlotsRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fl := newFleet(t, tenantstest.Faults{}, 1)
		ok(fl.sites[0].connect(tenants.AdmissionRequest{Tenant: logTenant, Channels: []string{"orders"}, Subject: "alice"},
			tenants.Limits{Connections: 1, ConnectionsPerChannel: 1, ConnectionsPerSubject: 1}))(t)
		sum := sha256.Sum256(append([]byte{0, 0, 0, 0, 0, 0, 0, 5}, "alice"...))
		subject := "subject/" + hex.EncodeToString(sum[:16])
		want := `{"Held":{"` + fl.sites[0].node.ID() + `":1},"Wanted":"0001-01-01T00:00:00Z"}`
		for _, sort := range []string{"all", "channel/orders", subject} {
			row, err := fl.table.Get(context.Background(), tenants.Key{Tenant: logTenant, Kind: "slots", Sort: sort})
			if err != nil || string(row.Body) != want || row.Expires.IsZero() {
				t.Errorf("%s: %v, %s, want %s", sort, err, row.Body, want)
			}
		}
		fl.close()
	})
}

// Who asks while a block is on its way may be quicker than the one who fetched it: then there is another to fetch, and nobody is refused for a
// limit that is far away.
func TestNobodyIsRefusedWhileThereIsRoom(t *testing.T) {
	inFleet(t, 1, func(t *testing.T, fl *fleet) {
		r := tenants.AdmissionRequest{Tenant: logTenant}
		ok(fl.sites[0].connect(r, tenants.Limits{Connections: 1}))(t)
		_, err := fl.sites[0].connect(r, tenants.Limits{Connections: 1})
		wantError(t, err, tenants.TooMany, "connection_limit") // from now on a block is of no more than is needed
		time.Sleep(time.Second)
		var clients sync.WaitGroup
		for range 64 {
			clients.Go(func() {
				for range 50 {
					if _, err := fl.sites[0].connect(r, tenants.Limits{Connections: 100_000}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		clients.Wait()
	})
}
