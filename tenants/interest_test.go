package tenants_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

func TestInterest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		in := tenants.NewInterest(newTable())
		register := func(node, channel string, life time.Duration) {
			if err := in.Register(ctx, node, time.Now().Add(life), logTenant, channel, 0); err != nil {
				t.Fatal(err)
			}
		}
		want := func(channel string, nodes ...string) {
			t.Helper()
			got, err := in.Nodes(ctx, logTenant, channel)
			if err != nil || !slices.Equal(got, nodes) {
				t.Errorf("%s: %q, %v; want %q", channel, got, err, nodes)
			}
		}
		want("orders")
		register("nod_b", "orders", 30*time.Second)
		register("nod_a", "orders", 10*time.Second)
		register("nod_c", "returns", 30*time.Second)
		want("orders", "nod_a", "nod_b")
		want("returns", "nod_c")
		if err := in.Drop(ctx, "nod_b", logTenant, "orders"); err != nil {
			t.Fatal(err)
		}
		if err := in.Drop(ctx, "nod_x", logTenant, "orders"); err != nil {
			t.Errorf("a drop of what is not there: %v", err)
		}
		want("orders", "nod_a")
		register("nod_a", "orders", 20*time.Second) // renewed
		time.Sleep(15 * time.Second)
		want("orders", "nod_a")
		time.Sleep(6 * time.Second)
		want("orders")
	})
}

func TestInterestOfVeryManyNodes(t *testing.T) {
	in := tenants.NewInterest(newTable())
	for i := range 2001 {
		if err := in.Register(context.Background(), fmt.Sprintf("nod_%05d", i), time.Now().Add(time.Hour), logTenant, "orders", 0); err != nil {
			t.Fatal(err)
		}
	}
	nodes, err := in.Nodes(context.Background(), logTenant, "orders")
	slices.Sort(nodes)
	if err != nil || len(slices.Compact(nodes)) != 2001 {
		t.Errorf("%d nodes, %v", len(nodes), err)
	}
}
