package node_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestABoundChannelsClientHasLeftOnceItHasListenedAndHasNotForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, table := t.Context(), rig.NewTable()
		in := node.NewInterest(table)
		lease := func(n string, life time.Duration) {
			if err := table.Write(ctx, tenants.Put(node.Key(n), []byte("{}"), time.Now().Add(life),
				tenants.Anything())); err != nil {
				t.Fatal(err)
			}
		}
		tell := func(node string, subscribers int) {
			if err := in.Register(ctx, node, time.Now().Add(time.Hour), rig.LogTenant, "client.7",
				subscribers); err != nil {
				t.Fatal(err)
			}
		}
		want := func(when string, left bool) {
			t.Helper()
			if got, err := in.Left(ctx, rig.LogTenant, "client.7"); err != nil || got != left {
				t.Errorf("%s: got %v, %v, want %v", when, got, err, left)
			}
		}
		lease("nod_a", time.Hour)
		lease("nod_b", time.Minute)
		want("before the client comes", false)
		tell("nod_a", 1)
		want("as the client comes", false)
		time.Sleep(time.Minute / 2)
		want("while it listens", false)
		tell("nod_a", 0)
		want("as the client leaves", false)
		time.Sleep(4 * time.Second)
		tell("nod_b", 1)
		time.Sleep(6 * time.Second)
		want("back on another node", false)
		time.Sleep(time.Minute)
		want("after its node died", true)
		lease("nod_c", time.Hour)
		tell("nod_c", 1)
		want("back again", false)
		time.Sleep(time.Minute)
		if err := in.Drop(ctx, "nod_c", rig.LogTenant, "client.7"); err != nil {
			t.Fatal(err)
		}
		want("as its node withdraws", false)
		time.Sleep(6 * time.Second)
		want("6 s after its node withdrew", true)
		if got, err := in.Left(ctx, rig.LogTenant, "orders"); got || err != nil {
			t.Errorf("a channel that is not bound: got %v, %v, want false", got, err)
		}
	})
}

// Drop records an absence only if the client was there: it does not restart the time since a client left, and a client
// that never came has not left.
func TestDroppingInterestSaysThatAClientHasLeftOnlyIfItWasThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, table := t.Context(), rig.NewTable()
		in := node.NewInterest(table)
		left := func(channel string) bool {
			t.Helper()
			return rig.Ok(in.Left(ctx, rig.LogTenant, channel))(t)
		}
		drop := func(channel string) {
			t.Helper()
			if err := in.Drop(ctx, "nod_a", rig.LogTenant, channel); err != nil {
				t.Fatal(err)
			}
		}
		for _, subscribers := range []int{1, 0} {
			if err := in.Register(ctx, "nod_a", time.Now().Add(time.Hour), rig.LogTenant, "client.7",
				subscribers); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(4 * time.Second)
		drop("client.7")
		time.Sleep(time.Second)
		if !left("client.7") {
			t.Error("5 s after the client left: got false, want true")
		}
		drop("client.8")
		time.Sleep(time.Minute)
		if left("client.8") {
			t.Error("a client that never came: got true, want false")
		}
		if nodes := rig.Ok(in.Nodes(ctx, rig.LogTenant, "client.7"))(t); len(nodes) != 0 {
			t.Errorf("got interest of %q, want none", nodes)
		}
	})
}
