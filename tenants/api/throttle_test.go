package api

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnAddressIsHeldBackAfterItsBurstAndServedAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(3, time.Minute, 100)
		one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		for range 3 {
			if wait := th.take(one); wait != 0 {
				t.Fatalf("held back for %v within the burst, want 0", wait)
			}
		}
		if wait := th.take(one); wait != time.Minute {
			t.Errorf("wait %v, want a minute", wait)
		}
		if wait := th.take(other); wait != 0 {
			t.Errorf("another address is held back for %v, want 0", wait)
		}
		time.Sleep(time.Minute)
		if wait := th.take(one); wait != 0 {
			t.Errorf("still held back for %v, want 0", wait)
		}
		if wait := th.take(one); wait == 0 {
			t.Error("two came back after one minute")
		}
		time.Sleep(24 * time.Hour)
		for range 3 {
			th.take(one)
		}
		if wait := th.take(one); wait == 0 {
			t.Error("the burst grew over a day")
		}
	})
}

func TestAClientIsItsIPv6NetworkAndItsMappedIPv4Address(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8::1", "2001:db8::ffff", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
	} {
		if got := network(netip.MustParseAddr(c.a)) == network(netip.MustParseAddr(c.b)); got != c.same {
			t.Errorf("%s and %s the same: %v, want %v", c.a, c.b, got, c.same)
		}
	}
	if unknown := network(netip.Addr{}); unknown == network(netip.MustParseAddr("0.0.0.0")) ||
		unknown == network(netip.MustParseAddr("::")) {
		t.Error("an unknown address is taken for a known one")
	}
}

func TestTheThrottleForgetsAndNeverGrowsPastItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(1, time.Minute, 10)
		addr := netip.MustParseAddr("10.0.0.0")
		for range 100 {
			addr = addr.Next()
			th.take(addr)
		}
		if len(th.spent) != 10 {
			t.Errorf("%d addresses remembered, want 10", len(th.spent))
		}
		if th.take(addr.Next()) == 0 {
			t.Error("served although the throttle is full")
		}
		time.Sleep(2 * time.Minute)
		if wait := th.take(addr.Next()); wait != 0 {
			t.Errorf("held back for %v although all others have their allowance again, want 0", wait)
		}
		if len(th.spent) != 1 {
			t.Errorf("%d addresses remembered, want 1", len(th.spent))
		}
	})
}
