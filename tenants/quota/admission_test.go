package quota_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestAdmissionLimits(t *testing.T) {
	base := quota.Request{Tenant: "ten_a", Channels: []string{"x", "y"}, Subject: "alice", IP: "192.0.2.1"}
	for _, c := range []struct {
		code   string
		limits tenants.Limits
		second quota.Request // is admitted although the first is not
	}{
		{"connection_limit", tenants.Limits{Connections: 2}, quota.Request{Tenant: "ten_b"}},
		{"channel_connection_limit", tenants.Limits{ConnectionsPerChannel: 2},
			quota.Request{Tenant: "ten_a", Channels: []string{"z"}}},
		{"subject_connection_limit", tenants.Limits{ConnectionsPerSubject: 2},
			quota.Request{Tenant: "ten_a", Subject: "bob"}},
		{"ip_connection_limit", tenants.Limits{ConnectionsPerIP: 2}, quota.Request{Tenant: "ten_a", IP: "192.0.2.2"}},
		{"connect_rate", tenants.Limits{ConnectsPerSecond: 2}, quota.Request{Tenant: "ten_b"}},
		{"ip_connect_rate", tenants.Limits{ConnectsPerSecondIP: 2}, quota.Request{Tenant: "ten_a", IP: "192.0.2.2"}},
	} {
		t.Run(c.code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, ctx := quota.New(), context.Background()
				first := rig.Ok(a.Reserve(ctx, base, c.limits))(t)
				if !first.Confirm() || !rig.Ok(a.Reserve(ctx, base, c.limits))(t).Confirm() {
					t.Fatal("a new slot could not be confirmed")
				}
				_, err := a.Reserve(ctx, base, c.limits)
				rig.WantError(t, err, tenants.TooMany, c.code)
				if after := err.(*tenants.Error).RetryAfter; after < time.Second || after > time.Minute {
					t.Errorf("got %v to try again, want 1s to 1m", after)
				}
				other := rig.Ok(a.Reserve(ctx, c.second, c.limits))(t)
				other.Release()
				if strings.HasSuffix(c.code, "connect_rate") {
					time.Sleep(time.Second)
				} else {
					first.Release()
				}
				rig.Ok(a.Reserve(ctx, base, c.limits))(t).Release()
			})
		})
	}
}

// An IPv6 address counts as its /64, and loopback addresses have no rate.
func TestAddressesAreCountedByWhoHasThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, limits := quota.New(), tenants.Limits{ConnectionsPerIP: 6, ConnectsPerSecondIP: 2}
		connect := func(ip string) string {
			_, err := a.Reserve(t.Context(), quota.Request{Tenant: "ten_a", IP: ip}, limits)
			return tenants.CodeOf(err)
		}
		for _, ip := range []string{"2001:db8::1", "2001:db8::ffff:2"} {
			if code := connect(ip); code != "" {
				t.Errorf("%s: got %q, want none", ip, code)
			}
		}
		for _, ip := range []string{"2001:db8::3", "2001:db8::1"} {
			if code := connect(ip); code != "ip_connect_rate" {
				t.Errorf("%s: got %q, want ip_connect_rate", ip, code)
			}
		}
		for _, ip := range []string{"2001:db8:0:1::1", "192.0.2.1", "::ffff:192.0.2.1"} {
			if code := connect(ip); code != "" {
				t.Errorf("%s: got %q, want none", ip, code)
			}
		}
		if code := connect("192.0.2.1"); code != "ip_connect_rate" {
			t.Errorf("an address in both forms: got %q, want ip_connect_rate", code)
		}
		for i := range 7 {
			want := ""
			if i == 6 {
				want = "ip_connection_limit"
			}
			if code := connect("127.0.0.1"); code != want {
				t.Errorf("loopback connection %d: got %q, want %q", i+1, code, want)
			}
		}
	})
}

// A flood of connects from one address does not use up the tenant's rate.
func TestAnAddressCannotUseUpTheTenantsConnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, limits := quota.New(), tenants.Limits{ConnectsPerSecond: 20, ConnectsPerSecondIP: 5}
		after := make(map[time.Duration]bool)
		for range 1000 {
			if s, err := a.Reserve(t.Context(), quota.Request{Tenant: "ten_a", IP: "192.0.2.1"}, limits); err == nil {
				s.Release()
			} else {
				after[err.(*tenants.Error).RetryAfter.Round(100*time.Millisecond)] = true
			}
		}
		if len(after) < 20 {
			t.Errorf("got %d different times to try again, want at least 20", len(after))
		}
		for i := range 15 {
			r := quota.Request{Tenant: "ten_a", IP: fmt.Sprint("192.0.2.", 2+i)}
			rig.Ok(a.Reserve(t.Context(), r, limits))(t).Release()
		}
	})
}

func TestSlotLapsesUnlessConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, ctx := quota.New(), context.Background()
		r := quota.Request{Tenant: "ten_a", Channels: []string{"x"}}
		late := rig.Ok(a.Reserve(ctx, r, tenants.Limits{}))(t)
		kept := rig.Ok(a.Reserve(ctx, r, tenants.Limits{}))(t)
		time.Sleep(5*time.Second - time.Millisecond)
		for range 2 {
			if !kept.Confirm() {
				t.Error("a slot could not be confirmed in time")
			}
		}
		time.Sleep(2 * time.Millisecond)
		if late.Confirm() {
			t.Error("a lapsed slot was confirmed")
		}
		late.Release() // a transport does not know that it lapsed
		time.Sleep(time.Hour)
		if u := a.Usage("ten_a"); u.Connections != 1 || u.Channels != 1 {
			t.Errorf("got %+v, want one connection on one channel", u)
		}
		kept.Release()
		kept.Release()
		if kept.Confirm() {
			t.Error("a released slot was confirmed")
		}
		if u := a.Usage("ten_a"); u != (quota.Usage{}) {
			t.Errorf("got %+v, want nothing open", u)
		}
	})
}

func TestAdmissionCountsAChannelOncePerConnection(t *testing.T) {
	a, ctx, limits := quota.New(), context.Background(), tenants.Limits{ConnectionsPerChannel: 2}
	s := rig.Ok(a.Reserve(ctx, quota.Request{Tenant: "ten_a", Channels: []string{"x", "x", "x"}}, limits))(t)
	rig.Ok(a.Reserve(ctx, quota.Request{Tenant: "ten_a", Channels: []string{"x"}}, limits))(t).Release()
	s.Release()
	if u := a.Usage("ten_a"); u != (quota.Usage{}) {
		t.Errorf("got %+v, want nothing open", u)
	}
	tooMany := quota.Request{Tenant: "ten_a", Channels: make([]string, tenants.MaxChannels+1)}
	_, err := a.Reserve(ctx, tooMany, tenants.Limits{})
	rig.WantError(t, err, tenants.Invalid, "too_many_channels")
}

// A transport's strings may be in a buffer that is reused.
func TestAdmissionKeepsNoStringOfItsCaller(t *testing.T) {
	a, ctx := quota.New(), context.Background()
	buffer := []byte("orders")
	name := rig.UnsafeString(buffer)
	r := quota.Request{Tenant: "ten_a", Channels: []string{name}, Subject: name, IP: name}
	s := rig.Ok(a.Reserve(ctx, r, tenants.Limits{}))(t)
	copy(buffer, "xxxxxx")
	limits := tenants.Limits{ConnectionsPerChannel: 1, ConnectionsPerSubject: 1, ConnectionsPerIP: 1}
	for code, r := range map[string]quota.Request{
		"channel_connection_limit": {Tenant: "ten_a", Channels: []string{"orders"}},
		"subject_connection_limit": {Tenant: "ten_a", Subject: "orders"},
		"ip_connection_limit":      {Tenant: "ten_a", IP: "orders"},
	} {
		_, err := a.Reserve(ctx, r, limits)
		rig.WantError(t, err, tenants.TooMany, code)
	}
	s.Release()
	r = quota.Request{Tenant: "ten_a", Channels: []string{"orders"}, Subject: "orders", IP: "orders"}
	for range 2 { // the counts were removed under the right names
		rig.Ok(a.Reserve(ctx, r, limits))(t).Release()
	}
}

// Many clients connect, confirm, lapse and leave at once. The connections, counted by the test, never exceed a limit,
// and in the end every slot is free.
func TestAdmissionNeverPassesALimit(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			a := quota.New()
			limits := tenants.Limits{Connections: 7, ConnectionsPerChannel: 4, ConnectionsPerSubject: 2,
				ConnectionsPerIP: 3}
			live := newTally()
			var wg sync.WaitGroup
			granted, denied := 0, 0
			var mu sync.Mutex
			for w := range 30 {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(seed, uint64(w)))
					for range 20 {
						r := quota.Request{
							Tenant:  tenants.TenantID(fmt.Sprint("ten_", rng.IntN(2))),
							Subject: fmt.Sprint(rng.IntN(4)), IP: fmt.Sprint(rng.IntN(3)),
							Channels: []string{fmt.Sprint(rng.IntN(3)), fmt.Sprint(3 + rng.IntN(3))},
						}
						time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
						s, err := a.Reserve(context.Background(), r, limits)
						mu.Lock()
						if err != nil {
							denied++
						} else {
							granted++
						}
						mu.Unlock()
						if err != nil {
							continue
						}
						ten := string(r.Tenant)
						names := []string{
							"t" + ten, "s" + ten + r.Subject, "i" + ten + r.IP, "c" + ten + r.Channels[0],
							"c" + ten + r.Channels[1],
						}
						if rng.IntN(4) == 0 { // the connection's handler never runs
							if rng.IntN(2) == 0 {
								s.Release()
							}
							continue
						}
						time.Sleep(time.Duration(rng.IntN(7000)) * time.Millisecond)
						if !s.Confirm() {
							continue
						}
						live.add(t, names, limits)
						time.Sleep(time.Duration(rng.IntN(10_000)) * time.Millisecond)
						live.drop(names)
						s.Release()
						s.Release()
					}
				})
			}
			wg.Wait()
			time.Sleep(6 * time.Second)
			for _, ten := range []tenants.TenantID{"ten_0", "ten_1"} {
				if u := a.Usage(ten); u != (quota.Usage{}) {
					t.Errorf("seed %d: %s has %+v, want nothing open", seed, ten, u)
				}
			}
			if granted == 0 || denied == 0 {
				t.Errorf("seed %d: %d granted, %d denied, want some of both", seed, granted, denied)
			}
		})
	}
}

// tally counts the connections that are open.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func newTally() *tally { return &tally{n: make(map[string]int)} }

func (l *tally) add(t *testing.T, names []string, limits tenants.Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range names {
		l.n[name]++
		limit := map[byte]int{
			't': limits.Connections, 's': limits.ConnectionsPerSubject,
			'i': limits.ConnectionsPerIP, 'c': limits.ConnectionsPerChannel,
		}[name[0]]
		if l.n[name] > limit {
			t.Errorf("%s: %d open, want at most %d", name, l.n[name], limit)
		}
	}
}

func (l *tally) drop(names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range names {
		l.n[name]--
	}
}

func BenchmarkAdmission(b *testing.B) {
	a, ctx := quota.New(), context.Background()
	r := quota.Request{Tenant: "ten_a", Channels: []string{"orders"}, Subject: "alice", IP: "192.0.2.1"}
	hold, err := a.Reserve(ctx, r, tenants.Limits{})
	if err != nil || !hold.Confirm() {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := a.Reserve(ctx, r, tenants.Limits{Connections: 10})
		if err != nil {
			b.Fatal(err)
		}
		s.Confirm()
		s.Release()
	}
}
