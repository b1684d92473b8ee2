package node_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestConnectionsOverAllNodes(t *testing.T) {
	rig.InFleet(t, 3, func(t *testing.T, fl *rig.Fleet) {
		ctx, c := context.Background(), node.NewConnections(fl.Table, fl.Inboxes)
		other := tenants.TenantID(tenants.DerivedID(tenants.PrefixTenant, "other"))
		var seats []*rig.Seat
		for i := range 6 {
			r := quota.Request{Tenant: rig.LogTenant, Channels: []string{fmt.Sprint("c", i)},
				Subject: fmt.Sprint("user", i)}
			seats = append(seats, rig.Ok(fl.Sites[i%3].Connect(r, tenants.Limits{}))(t))
			time.Sleep(time.Second)
		}
		rig.Ok(fl.Sites[0].Connect(quota.Request{Tenant: other}, tenants.Limits{}))(t)
		list := rig.Ok(c.List(ctx, rig.LogTenant, "", 100))(t)
		if list.Total != 6 || list.Missing != 0 || len(list.Connections) != 6 {
			t.Fatalf("got %+v, want 6 connections and no missing node", list)
		}
		for i, got := range list.Connections {
			if got.ID != seats[i].Info.ID || got.Channels[0] != fmt.Sprint("c", i) {
				t.Errorf("connection %d: got %+v, want %s of channel c%d", i, got, seats[i].Info.ID, i)
			}
		}
		want := node.TopCounts{Channel: 1, Subject: 1}
		if top := rig.Ok(c.List(ctx, rig.LogTenant, "", 0))(t).Busiest; top != want {
			t.Errorf("top counts: got %+v, want %+v", top, want)
		}
		if n := rig.Ok(c.Count(ctx, other))(t); n != 1 {
			t.Errorf("the other tenant has %d connections, want 1", n)
		}

		notFound := func(when string, err error) {
			t.Helper()
			if tenants.CodeOf(err) != "connection_not_found" {
				t.Errorf("%s: got %v, want connection_not_found", when, err)
			}
		}
		notFound("close by another tenant", c.Close(ctx, other, seats[1].Info.ID))
		if err := c.Close(ctx, rig.LogTenant, seats[1].Info.ID); err != nil {
			t.Error(err)
		}
		<-seats[1].Gone
		notFound("second close", c.Close(ctx, rig.LogTenant, seats[1].Info.ID))
		notFound("close with an invalid id", c.Close(ctx, rig.LogTenant, "con_junk"))
		next := tenants.Principal{Tenant: rig.LogTenant, Subject: "user2", TokenID: "tok_next"}
		if err := c.Renew(ctx, rig.LogTenant, seats[2].Info.ID, next); err != nil {
			t.Error(err)
		}
		rig.WantError(t, c.Renew(ctx, rig.LogTenant, seats[3].Info.ID, next), tenants.Forbidden,
			"connection_of_another")
		notFound("renewal of a closed connection", c.Renew(ctx, rig.LogTenant, seats[1].Info.ID, next))
		foreign := tenants.Principal{Tenant: other, Subject: "mallory"}
		notFound("renewal under another tenant's credential", c.Renew(ctx, rig.LogTenant, seats[3].Info.ID, foreign))
		list = rig.Ok(c.List(ctx, rig.LogTenant, "", 100))(t)
		second, third := list.Connections[1].Principal.TokenID, list.Connections[2].Principal.TokenID
		if list.Total != 5 || second != "tok_next" || third != "" {
			t.Errorf("got %d connections, the second of token %q, the third of %q, want 5, tok_next, none",
				list.Total, second, third)
		}

		// A node that does not answer counts as missing, and does not delay the answer for long.
		fl.Sites[2].Freeze()
		began := time.Now()
		time.Sleep(time.Second)
		list = rig.Ok(c.List(ctx, rig.LogTenant, "", 100))(t)
		if list.Missing != 1 || list.Total != 3 || time.Since(began) > 4*time.Second {
			t.Errorf("%d nodes missing, %d connections after %v, want 1, 3 within 4s", list.Missing, list.Total,
				time.Since(began))
		}
		if err := c.Close(ctx, rig.LogTenant, seats[5].Info.ID); tenants.KindOf(err) != tenants.Unavailable {
			t.Errorf("close while a node is silent: got %v, want an error of kind Unavailable", err)
		}
	})
}

// Connects count on all nodes while they are limited, and no longer than a few seconds.
func TestConnectsAreCountedOverAllNodesWhileTheyCome(t *testing.T) {
	rig.InFleet(t, 3, func(t *testing.T, fl *rig.Fleet) {
		c := node.NewConnections(fl.Table, fl.Inboxes)
		time.Sleep(15 * time.Second)
		for i := range 9 {
			rig.Ok(fl.Sites[i%3].Connect(quota.Request{Tenant: rig.LogTenant},
				tenants.Limits{ConnectsPerSecond: 30}))(t)
		}
		if n := rig.Ok(c.List(t.Context(), rig.LogTenant, "", 0))(t).Connecting; n < 1 || n > 9 {
			t.Errorf("%d connects, want 1 to 9", n)
		}
		time.Sleep(5 * time.Second)
		if n := rig.Ok(c.List(t.Context(), rig.LogTenant, "", 0))(t).Connecting; n != 0 {
			t.Errorf("%d connects 5 s after the last, want 0", n)
		}
	})
}

// An answer is divided into rows that fit the table, and a list continues over all nodes after its last page.
func TestConnectionListsComeInParts(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		var names []string
		for i := range 50 {
			names = append(names, fmt.Sprint(strings.Repeat("x", 60), ".", strings.Repeat("y", 60), ".", i))
		}
		want := make(map[string]bool)
		for i := range 1100 {
			c := rig.Ok(fl.Sites[i%5/4].Connect(quota.Request{Tenant: rig.LogTenant, Channels: names},
				tenants.Limits{}))(t)
			want[c.Info.ID] = true
		}
		c := node.NewConnections(fl.Table, fl.Inboxes)
		before := tenants.Connection{}
		for after, parts := "", 0; ; parts++ {
			list := rig.Ok(c.List(context.Background(), rig.LogTenant, after, 100))(t)
			if list.Total != 1100 || len(list.Connections) != 100 || list.Missing != 0 {
				t.Fatalf("%d listed of %d, %d nodes missing, want 100 of 1100, 0",
					len(list.Connections), list.Total, list.Missing)
			}
			for _, got := range list.Connections {
				if !want[got.ID] || got.Since.Before(before.Since) {
					t.Fatalf("%s (since %v) came after one since %v; first time: %v", got.ID, got.Since, before.Since,
						want[got.ID])
				}
				delete(want, got.ID)
				before = got
			}
			if after = list.Next; after == "" {
				if parts != 10 || len(want) != 0 {
					t.Errorf("got %d pages without %d connections, want 11 pages with all", parts+1, len(want))
				}
				return
			}
		}
	})
}

// Connections of this process are closed and renewed without asking other nodes.
func TestConnectionsOfThisProcessAskNobody(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		ctx, c := context.Background(), node.NewConnections(fl.Table, fl.Inboxes)
		c.Local = fl.Sites[0].Stage
		r := quota.Request{Tenant: rig.LogTenant, Channels: []string{"c"}, Subject: "alice"}
		here := rig.Ok(fl.Sites[0].Connect(r, tenants.Limits{}))(t)
		there := rig.Ok(fl.Sites[1].Connect(r, tenants.Limits{}))(t)
		alice := tenants.Principal{Tenant: rig.LogTenant, Subject: "alice", TokenID: "tok_next"}
		if err := c.Renew(ctx, rig.LogTenant, there.Info.ID, alice); err != nil {
			t.Error(err)
		}
		fl.Sites[1].Freeze()
		time.Sleep(time.Second)
		if err := c.Renew(ctx, rig.LogTenant, here.Info.ID, alice); err != nil {
			t.Error(err)
		}
		bob := tenants.Principal{Tenant: rig.LogTenant, Subject: "bob"}
		if err := c.Renew(ctx, rig.LogTenant, here.Info.ID, bob); tenants.CodeOf(err) != "connection_of_another" {
			t.Errorf("renewal by another subject: got %v, want connection_of_another", err)
		}
		if err := c.Close(ctx, rig.LogTenant, here.Info.ID); err != nil {
			t.Error(err)
		}
		<-here.Gone
		if err := c.Close(ctx, rig.LogTenant, here.Info.ID); tenants.KindOf(err) != tenants.Unavailable {
			t.Errorf("close while a node that may have it is frozen: got %v, want an error of kind Unavailable", err)
		}
	})
}
