package tenants_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// inFleet runs f on nodes whose time is the test's.
func inFleet(t *testing.T, nodes int, f func(t *testing.T, fl *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fl := newFleet(t, tenantstest.Faults{}, nodes)
		defer fl.close()
		f(t, fl)
	})
}

func (fl *fleet) leases() (nodes []string) {
	fl.t.Helper()
	rows, err := fl.table.Query(context.Background(), tenants.Range{Tenant: tenants.System, Kind: "list/nodes", Limit: 1000})
	if err != nil {
		fl.t.Fatal(err)
	}
	for _, row := range rows {
		nodes = append(nodes, row.Sort)
	}
	return nodes
}

func (fl *fleet) boxes() []string {
	nodes, err := fl.inboxes.List(context.Background())
	if err != nil {
		fl.t.Fatal(err)
	}
	slices.Sort(nodes)
	return nodes
}

func TestANodeKeepsItsNameForAsLongAsItsLeaseHolds(t *testing.T) {
	inFleet(t, 2, func(t *testing.T, fl *fleet) {
		names := []string{fl.sites[0].node.ID(), fl.sites[1].node.ID()}
		first := fl.sites[0].node.ID()
		slices.Sort(names)
		before := fl.table.Count("Write")
		time.Sleep(time.Hour)
		if got := fl.leases(); !slices.Equal(got, names) {
			t.Errorf("leases %q, want %q", got, names)
		}
		if n := fl.table.Count("Write") - before; n < 715 || n > 725 {
			t.Errorf("%d writes for 2 nodes in an hour", n)
		}
		for i, s := range fl.sites {
			if !slices.Contains(names, s.node.ID()) || s.node.Ready() != nil || s.node.Live() != 2 || len(s.had()) != 1 {
				t.Errorf("node %d: %q, ready %v, %d live, had %q", i, s.node.ID(), s.node.Ready(), s.node.Live(), s.had())
			}
		}
		fl.sites[0].end()
		names = slices.DeleteFunc(names, func(n string) bool { return n == first })
		if got := fl.leases(); !slices.Equal(got, names) {
			t.Errorf("leases %q after one left", got)
		}
		if got := fl.boxes(); !slices.Equal(got, names) {
			t.Errorf("inboxes %q after one left", got)
		}
		if s := fl.sites[0]; !s.withdrawn || s.node.Ready() == nil || s.node.Held() {
			t.Error("it has left, and does not say so")
		}
		fl.sites[0].Kill()
	})
}

// What each of these does to a node has it begin again under another name, with everything that belongs to the old one gone.
func TestANodeBeginsAgain(t *testing.T) {
	for name, hurt := range map[string]func(*fleet, *site){
		"frozen": func(_ *fleet, s *site) {
			s.Freeze()
			time.Sleep(40 * time.Second)
			s.Thaw()
		},
		"cut off": func(_ *fleet, s *site) {
			s.Cut()
			time.Sleep(40 * time.Second)
			s.Mend()
		},
		"its inbox is gone": func(fl *fleet, s *site) {
			if err := fl.inboxes.Delete(context.Background(), s.node.ID()); err != nil {
				t.Fatal(err)
			}
		},
		"its lease is gone": func(fl *fleet, s *site) {
			if err := fl.table.Write(context.Background(), tenants.Delete(tenants.NodeKey(s.node.ID()), tenants.Anything())); err != nil {
				t.Fatal(err)
			}
		},
		"a renewal that took longer than the lease": func(fl *fleet, s *site) {
			ice := fl.table.Freeze(tenantstest.BeforeReturning, func(c tenantstest.Call) bool { return c.Method == "Write" && c.Keys[0] == tenants.NodeKey(s.node.ID()) })
			<-ice.Reached()
			time.Sleep(20 * time.Second)
			ice.Thaw()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, 2, func(t *testing.T, fl *fleet) {
				s, other := fl.sites[0], fl.sites[1].node.ID()
				c, err := s.connect(tenants.AdmissionRequest{Tenant: logTenant}, tenants.Limits{Connections: 10})
				if err != nil {
					t.Fatal(err)
				}
				old := s.node.ID()
				time.Sleep(35 * time.Second) // the versions have been looked at
				forgets := s.forgets(logTenant)
				hurt(fl, s)
				time.Sleep(15 * time.Second)
				now := s.node.ID()
				if had := s.had(); now == old || !slices.Equal(had, []string{old, now}) {
					t.Fatalf("it was %s, is %s, and registered as %q", old, now, had)
				}
				if s.node.Ready() != nil || s.node.Incarnations() != 2 {
					t.Errorf("ready %v, %d incarnations", s.node.Ready(), s.node.Incarnations())
				}
				want := []string{now, other}
				slices.Sort(want)
				if got := fl.leases(); !slices.Equal(got, want) {
					t.Errorf("leases %q, want %q", got, want)
				}
				if got := fl.boxes(); !slices.Equal(got, want) {
					t.Errorf("inboxes %q, want %q", got, want)
				}
				if s.forgets(logTenant) == forgets {
					t.Error("it relies on what it knew")
				}
				select {
				case <-c.gone:
					t.Error("the connection has ended, though its slot was nobody's")
				default:
				}
			})
		})
	}
}

// What comes into the inbox of a node that was frozen for longer than its lease is not passed on.
func TestAFrozenNodePassesNothingOnUnderItsOldName(t *testing.T) {
	inFleet(t, 1, func(t *testing.T, fl *fleet) {
		s := fl.sites[0]
		send := func(channel string) {
			if err := fl.inboxes.Send(context.Background(), s.node.ID(), tenants.Notice{Tenant: logTenant, Channel: channel}); err != nil {
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
		if s.node.Held() {
			t.Error("the lease is held after a minute")
		}
		s.Thaw()
		time.Sleep(time.Minute)
		if s.delivered("before") != 1 || s.delivered("in time") == 0 || s.delivered("late") != 0 {
			t.Errorf("%d before, %d in time, %d late were passed on, want 1, some, 0", s.delivered("before"), s.delivered("in time"), s.delivered("late"))
		}
		send("again")
		synctest.Wait()
		if s.delivered("again") != 1 {
			t.Error("nothing comes in under the new name")
		}
	})
}

func TestALeaseOutlivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fl := newFleet(t, tenantstest.Faults{Seed: 7, Lost: 0.1, Stored: 0.1, Unread: 0.1, Latency: 100 * time.Millisecond}, 2)
		defer fl.close()
		names := []string{fl.sites[0].node.ID(), fl.sites[1].node.ID()}
		time.Sleep(10 * time.Minute)
		for i, s := range fl.sites {
			if s.node.ID() != names[i] {
				t.Errorf("node %d gave up its name", i)
			}
		}
	})
}

func TestInterestThatCannotBeRewrittenKeepsANodeUnready(t *testing.T) {
	inFleet(t, 1, func(t *testing.T, fl *fleet) {
		s := fl.sites[0]
		s.stage.mu.Lock()
		s.stage.fail = tenants.Errorf(tenants.Unavailable, "down", "down")
		s.stage.mu.Unlock()
		if err := fl.inboxes.Delete(context.Background(), s.node.ID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := s.node.Ready(); err == nil || !s.node.Held() {
			t.Errorf("ready %v, held %v", err, s.node.Held())
		}
		s.stage.mu.Lock()
		s.stage.fail = nil
		s.stage.mu.Unlock()
		time.Sleep(31 * time.Second)
		if err := s.node.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// News reach every node within 2 s, and within 30 s where they were lost.
func TestNewsReachNodes(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, fl *fleet) {
		for _, s := range fl.sites {
			if _, err := s.connect(tenants.AdmissionRequest{Tenant: logTenant}, tenants.Limits{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		news := tenants.NewNews(fl.table, fl.inboxes)
		for _, lost := range []bool{false, true} {
			var before []int
			for _, s := range fl.sites {
				before = append(before, s.forgets(logTenant))
			}
			within := 2 * time.Second
			if lost {
				fl.inboxes.Drop(func(string, tenants.Notice) bool { return true })
				within = 31 * time.Second
			}
			if err := news.Tell(context.Background(), logTenant); err != nil {
				t.Fatal(err)
			}
			time.Sleep(within)
			for i, s := range fl.sites {
				if s.forgets(logTenant) == before[i] {
					t.Errorf("node %d has not heard of it; lost on the way: %v", i, lost)
				}
			}
		}
	})
}

func TestSweepRemovesWhatDeadNodesLeft(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, fl *fleet) {
		sweep := tenants.NewSweep(fl.table, fl.inboxes, fl.inboxes)
		run := func() int {
			n, err := sweep.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if err := fl.inboxes.Create(context.Background(), "somebody-elses"); err != nil {
			t.Fatal(err)
		}
		young := tenants.NewID(tenants.PrefixNode) // its node has yet to write its lease
		if err := fl.inboxes.Create(context.Background(), young); err != nil {
			t.Fatal(err)
		}
		if n := run(); n != 0 {
			t.Errorf("removed %d of living nodes", n)
		}
		time.Sleep(5 * time.Minute)
		dead := fl.sites[1].node.ID()
		fl.sites[1].kill()
		if n := run(); n != 1 { // young never came about
			t.Errorf("removed %d, with one that was left before its lease", n)
		}
		time.Sleep(30 * time.Second)
		if n := run(); n != 1 || slices.Contains(fl.boxes(), dead) {
			t.Errorf("removed %d 30 s after a node died; left are %q", n, fl.boxes())
		}
		if len(fl.boxes()) != 3 || run() != 0 {
			t.Errorf("left are %q", fl.boxes())
		}
	})
}

// A node that is alone writes nothing while nothing happens, and takes over from the one before it at once.
func TestANodeThatIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTable()
		limits, request := tenants.Limits{Connections: 2}, tenants.AdmissionRequest{Tenant: logTenant}
		start := func() (*tenants.Node, *tenants.Admission, *stage, func()) {
			s := &stage{process: tenantstest.NewProcess(), forgot: map[tenants.TenantID]int{}}
			n := tenants.NewNode(tenants.NodeOptions{Table: table, Alone: true, Forget: s.forget})
			if err := n.Join(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			a := tenants.NewSharedAdmission(n)
			go func() { n.Run(ctx, s); close(done) }()
			synctest.Wait()
			return n, a, s, func() { cancel(); <-done }
		}
		first, a, _, kill := start()
		for range 2 {
			ok(a.Reserve(t.Context(), request, limits))(t).Confirm()
		}
		if _, err := a.Reserve(t.Context(), request, limits); tenants.CodeOf(err) != "connection_limit" {
			t.Errorf("a third: %v", err)
		}
		writes := table.Count("Write") + table.Count("WriteEach")
		time.Sleep(24 * time.Hour)
		if n := table.Count("Write") + table.Count("WriteEach") - writes; n > 2 {
			t.Errorf("%d writes in a day with two idle connections", n)
		}
		kill() // and nothing is put in order
		second, a, s, stop := start()
		for range 2 {
			ok(a.Reserve(t.Context(), request, limits))(t).Confirm()
		}
		if err := second.Send(t.Context(), first.ID(), tenants.Notice{Tenant: logTenant}); tenants.KindOf(err) != tenants.NotFound {
			t.Errorf("a notice to the one before: %v", err)
		}
		if err := second.Send(t.Context(), second.ID(), tenants.Notice{Tenant: logTenant}); err != nil || s.forgets(logTenant) != 1 || s.delivered("") != 1 {
			t.Errorf("a notice to itself: %v", err)
		}
		stop()
		if err := second.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
