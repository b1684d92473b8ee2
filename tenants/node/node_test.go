package node_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestANodeKeepsItsNameForAsLongAsItsLeaseHolds(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		names := []string{fl.Sites[0].Node.ID(), fl.Sites[1].Node.ID()}
		first := fl.Sites[0].Node.ID()
		slices.Sort(names)
		before := fl.Table.Count("Write")
		time.Sleep(time.Hour)
		if got := fl.Leases(); !slices.Equal(got, names) {
			t.Errorf("leases %q, want %q", got, names)
		}
		if n := fl.Table.Count("Write") - before; n < 715 || n > 725 {
			t.Errorf("%d writes for 2 nodes in an hour, want about 720", n)
		}
		for i, s := range fl.Sites {
			if !slices.Contains(names, s.Node.ID()) || s.Node.Ready() != nil || s.Node.Live() != 2 ||
				len(s.Names()) != 1 {
				t.Errorf("node %d is %q of %q, ready %v, sees %d live, had the names %q, want nil, 2, one name",
					i, s.Node.ID(), names, s.Node.Ready(), s.Node.Live(), s.Names())
			}
		}
		fl.Sites[0].End()
		names = slices.DeleteFunc(names, func(n string) bool { return n == first })
		if got := fl.Leases(); !slices.Equal(got, names) {
			t.Errorf("leases after one left: got %q, want %q", got, names)
		}
		if got := fl.Boxes(); !slices.Equal(got, names) {
			t.Errorf("inboxes after one left: got %q, want %q", got, names)
		}
		if s := fl.Sites[0]; !s.Withdrawn || s.Node.Ready() == nil || s.Node.Held() {
			t.Errorf("after Leave: withdrawn %v, ready %v, held %v, want true, an error, false",
				s.Withdrawn, s.Node.Ready(), s.Node.Held())
		}
		fl.Sites[0].Kill()
	})
}

// Each of these faults makes a node begin again under another name, and nothing is left of the old one.
func TestANodeBeginsAgain(t *testing.T) {
	for name, hurt := range map[string]func(*rig.Fleet, *rig.Site){
		"frozen": func(_ *rig.Fleet, s *rig.Site) {
			s.Freeze()
			time.Sleep(40 * time.Second)
			s.Thaw()
		},
		"cut off": func(_ *rig.Fleet, s *rig.Site) {
			s.Cut()
			time.Sleep(40 * time.Second)
			s.Mend()
		},
		"its inbox is gone": func(fl *rig.Fleet, s *rig.Site) {
			if err := fl.Inboxes.Delete(context.Background(), s.Node.ID()); err != nil {
				t.Fatal(err)
			}
		},
		"its lease is gone": func(fl *rig.Fleet, s *rig.Site) {
			if err := fl.Table.Write(context.Background(),
				tenants.Delete(node.Key(s.Node.ID()), tenants.Anything())); err != nil {
				t.Fatal(err)
			}
		},
		"a renewal that took longer than the lease": func(fl *rig.Fleet, s *rig.Site) {
			ice := fl.Table.Freeze(tenantstest.BeforeReturning, func(c tenantstest.Call) bool {
				return c.Method == "Write" && c.Keys[0] == node.Key(s.Node.ID())
			})
			<-ice.Reached()
			time.Sleep(20 * time.Second)
			ice.Thaw()
		},
	} {
		t.Run(name, func(t *testing.T) {
			rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
				s, other := fl.Sites[0], fl.Sites[1].Node.ID()
				c, err := s.Connect(quota.Request{Tenant: rig.LogTenant}, tenants.Limits{Connections: 10})
				if err != nil {
					t.Fatal(err)
				}
				old := s.Node.ID()
				time.Sleep(35 * time.Second) // the first version check is over
				forgets := s.Forgets(rig.LogTenant)
				hurt(fl, s)
				time.Sleep(15 * time.Second)
				now := s.Node.ID()
				if names := s.Names(); now == old || !slices.Equal(names, []string{old, now}) {
					t.Fatalf("the node was %s, is %s, and registered as %q", old, now, names)
				}
				if s.Node.Ready() != nil || s.Node.Incarnations() != 2 {
					t.Errorf("ready %v, %d incarnations, want nil, 2", s.Node.Ready(), s.Node.Incarnations())
				}
				want := []string{now, other}
				slices.Sort(want)
				if got := fl.Leases(); !slices.Equal(got, want) {
					t.Errorf("leases %q, want %q", got, want)
				}
				if got := fl.Boxes(); !slices.Equal(got, want) {
					t.Errorf("inboxes %q, want %q", got, want)
				}
				if s.Forgets(rig.LogTenant) == forgets {
					t.Error("the node has not forgotten what it knew of the tenant")
				}
				select {
				case <-c.Gone:
					t.Error("the connection has ended although no other node took its slot")
				default:
				}
			})
		})
	}
}

// A node that was frozen for longer than its lease does not deliver what came into its inbox.
func TestAFrozenNodePassesNothingOnUnderItsOldName(t *testing.T) {
	rig.InFleet(t, 1, func(t *testing.T, fl *rig.Fleet) {
		s := fl.Sites[0]
		send := func(channel string) {
			if err := fl.Inboxes.Send(context.Background(), s.Node.ID(),
				tenants.InboxMessage{Tenant: rig.LogTenant, Channel: channel}); err != nil {
				t.Fatal(err)
			}
		}
		send("before")
		synctest.Wait()
		s.Freeze()
		send("in time")
		time.Sleep(10 * time.Second)
		s.Thaw()
		synctest.Wait()
		s.Freeze()
		send("late")
		time.Sleep(time.Minute)
		if s.Node.Held() {
			t.Error("the lease is held after a minute")
		}
		s.Thaw()
		time.Sleep(time.Minute)
		if s.Delivered("before") != 1 || s.Delivered("in time") == 0 || s.Delivered("late") != 0 {
			t.Errorf("delivered: %d before, %d in time, %d late, want 1, some, 0",
				s.Delivered("before"), s.Delivered("in time"), s.Delivered("late"))
		}
		send("again")
		synctest.Wait()
		if s.Delivered("again") != 1 {
			t.Errorf("delivered under the new name: %d, want 1", s.Delivered("again"))
		}
	})
}

func TestALeaseOutlivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := tenantstest.Faults{Seed: 7, Lost: 0.1, Stored: 0.1, Unread: 0.1, Latency: 100 * time.Millisecond}
		fl := rig.NewFleet(t, faults, 2)
		defer fl.Close()
		names := []string{fl.Sites[0].Node.ID(), fl.Sites[1].Node.ID()}
		time.Sleep(10 * time.Minute)
		for i, s := range fl.Sites {
			if s.Node.ID() != names[i] {
				t.Errorf("node %d: got the name %s, want %s as before", i, s.Node.ID(), names[i])
			}
		}
	})
}

func TestInterestThatCannotBeRewrittenKeepsANodeUnready(t *testing.T) {
	rig.InFleet(t, 1, func(t *testing.T, fl *rig.Fleet) {
		s := fl.Sites[0]
		s.Stage.Mu.Lock()
		s.Stage.Fail = tenants.Errorf(tenants.Unavailable, "down", "down")
		s.Stage.Mu.Unlock()
		if err := fl.Inboxes.Delete(context.Background(), s.Node.ID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := s.Node.Ready(); err == nil || !s.Node.Held() {
			t.Errorf("ready %v, held %v, want an error, true", err, s.Node.Held())
		}
		s.Stage.Mu.Lock()
		s.Stage.Fail = nil
		s.Stage.Mu.Unlock()
		time.Sleep(31 * time.Second)
		if err := s.Node.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// News reaches every node within 2 s, or within 31 s if the notices are lost.
func TestNewsReachNodes(t *testing.T) {
	rig.InFleet(t, 3, func(t *testing.T, fl *rig.Fleet) {
		for _, s := range fl.Sites {
			if _, err := s.Connect(quota.Request{Tenant: rig.LogTenant}, tenants.Limits{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		news := account.NewNews(fl.Table, fl.Inboxes)
		for _, lost := range []bool{false, true} {
			var before []int
			for _, s := range fl.Sites {
				before = append(before, s.Forgets(rig.LogTenant))
			}
			within := 2 * time.Second
			if lost {
				fl.Inboxes.Drop(func(string, tenants.InboxMessage) bool { return true })
				within = 31 * time.Second
			}
			if err := news.Tell(context.Background(), rig.LogTenant); err != nil {
				t.Fatal(err)
			}
			time.Sleep(within)
			for i, s := range fl.Sites {
				if s.Forgets(rig.LogTenant) == before[i] {
					t.Errorf("node %d has not forgotten the tenant after %v", i, within)
				}
			}
		}
	})
}

func TestSweepRemovesWhatDeadNodesLeft(t *testing.T) {
	rig.InFleet(t, 3, func(t *testing.T, fl *rig.Fleet) {
		sweep := node.NewSweep(fl.Table, fl.Inboxes, fl.Inboxes)
		run := func() int {
			n, err := sweep.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if err := fl.Inboxes.Create(context.Background(), "somebody-elses"); err != nil {
			t.Fatal(err)
		}
		young := tenants.NewID(tenants.PrefixNode) // its node has not written its lease yet
		if err := fl.Inboxes.Create(context.Background(), young); err != nil {
			t.Fatal(err)
		}
		if n := run(); n != 0 {
			t.Errorf("removed %d inboxes of live nodes, want 0", n)
		}
		time.Sleep(5 * time.Minute)
		dead := fl.Sites[1].Node.ID()
		fl.Sites[1].Kill()
		if n := run(); n != 1 { // young is old now
			t.Errorf("removed %d inboxes, want the one that never got a lease", n)
		}
		time.Sleep(30 * time.Second)
		if n := run(); n != 1 || slices.Contains(fl.Boxes(), dead) {
			t.Errorf("removed %d 30 s after %s died, left %q, want 1", n, dead, fl.Boxes())
		}
		if len(fl.Boxes()) != 3 || run() != 0 {
			t.Errorf("left %q, want 3 inboxes and nothing more to remove", fl.Boxes())
		}
	})
}

// A node that is alone writes almost nothing while nothing happens, and takes over from an earlier process at once.
func TestANodeThatIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := rig.NewTable()
		limits, request := tenants.Limits{Connections: 2}, quota.Request{Tenant: rig.LogTenant}
		start := func() (*node.Node, *quota.Admission, *rig.Stage, func()) {
			s := &rig.Stage{Process: tenantstest.NewProcess(), Forgot: map[tenants.TenantID]int{}}
			n := node.New(node.Options{Table: table, Alone: true, Forget: s.Forget})
			if err := n.Join(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			a := quota.NewShared(n)
			go func() { n.Run(ctx, s); close(done) }()
			synctest.Wait()
			return n, a, s, func() { cancel(); <-done }
		}
		first, a, _, kill := start()
		for range 2 {
			rig.Ok(a.Reserve(t.Context(), request, limits))(t).Confirm()
		}
		if _, err := a.Reserve(t.Context(), request, limits); tenants.CodeOf(err) != "connection_limit" {
			t.Errorf("third connection: got %v, want connection_limit", err)
		}
		writes := table.Count("Write") + table.Count("WriteEach")
		time.Sleep(24 * time.Hour)
		if n := table.Count("Write") + table.Count("WriteEach") - writes; n > 2 {
			t.Errorf("%d writes in a day with two idle connections, want at most 2", n)
		}
		kill() // without Leave
		second, a, s, stop := start()
		for range 2 {
			rig.Ok(a.Reserve(t.Context(), request, limits))(t).Confirm()
		}
		notice := tenants.InboxMessage{Tenant: rig.LogTenant}
		if err := second.Send(t.Context(), first.ID(), notice); tenants.KindOf(err) != tenants.NotFound {
			t.Errorf("a notice to the earlier process: got %v, want an error of kind NotFound", err)
		}
		err := second.Send(t.Context(), second.ID(), notice)
		if err != nil || s.Forgets(rig.LogTenant) != 1 || s.Delivered("") != 1 {
			t.Errorf("a notice to itself: %v, %d forgets, %d delivered, want nil, 1, 1",
				err, s.Forgets(rig.LogTenant), s.Delivered(""))
		}
		stop()
		if err := second.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
