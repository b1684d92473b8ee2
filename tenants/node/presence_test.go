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
			if err := table.Write(ctx, tenants.Put(node.Key(n), []byte("{}"), time.Now().Add(life), tenants.Anything())); err != nil {
				t.Fatal(err)
			}
		}
		tell := func(node string, subscribers int) {
			if err := in.Register(ctx, node, time.Now().Add(time.Hour), rig.LogTenant, "client.7", subscribers); err != nil {
				t.Fatal(err)
			}
		}
		want := func(when string, left bool) {
			t.Helper()
			if got, err := in.Left(ctx, rig.LogTenant, "client.7"); err != nil || got != left {
				t.Errorf("%s: left %v, %v", when, got, err)
			}
		}
		lease("nod_a", time.Hour)
		lease("nod_b", time.Minute)
		want("before anybody came", false)
		tell("nod_a", 1)
		want("as it comes", false)
		time.Sleep(time.Minute / 2)
		want("while it listens", false)
		tell("nod_a", 0)
		want("as it leaves", false)
		time.Sleep(4 * time.Second)
		tell("nod_b", 1)
		time.Sleep(6 * time.Second)
		want("back on another node", false)
		time.Sleep(time.Minute)
		want("its node is dead", true)
		lease("nod_c", time.Hour)
		tell("nod_c", 1)
		want("back once more", false)
		time.Sleep(time.Minute)
		if err := in.Drop(ctx, "nod_c", rig.LogTenant, "client.7"); err != nil {
			t.Fatal(err)
		}
		want("as its node goes", false)
		time.Sleep(6 * time.Second)
		want("and it has not come back", true)
		if got, err := in.Left(ctx, rig.LogTenant, "orders"); got || err != nil {
			t.Errorf("a channel that is bound to nobody: %v, %v", got, err)
		}
	})
}

// What drops interest speaks of a client only where it was there: the time since it has left is not begun anew, and who never came has not left.
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
			if err := in.Register(ctx, "nod_a", time.Now().Add(time.Hour), rig.LogTenant, "client.7", subscribers); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(4 * time.Second)
		drop("client.7")
		time.Sleep(time.Second)
		if !left("client.7") {
			t.Error("5 s after it left it has not")
		}
		drop("client.8")
		time.Sleep(time.Minute)
		if left("client.8") {
			t.Error("who never came has left")
		}
		if nodes := rig.Ok(in.Nodes(ctx, rig.LogTenant, "client.7"))(t); len(nodes) != 0 {
			t.Errorf("interest of %q", nodes)
		}
	})
}
