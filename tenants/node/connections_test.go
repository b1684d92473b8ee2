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
			seats = append(seats, rig.Ok(fl.Sites[i%3].Connect(quota.Request{Tenant: rig.LogTenant, Channels: []string{fmt.Sprint("c", i)}, Subject: fmt.Sprint("user", i)}, tenants.Limits{}))(t))
			time.Sleep(time.Second)
		}
		rig.Ok(fl.Sites[0].Connect(quota.Request{Tenant: other}, tenants.Limits{}))(t)
		list := rig.Ok(c.List(ctx, rig.LogTenant, "", 100))(t)
		if list.Total != 6 || list.Missing != 0 || len(list.Connections) != 6 {
			t.Fatalf("%+v", list)
		}
		for i, got := range list.Connections {
			if got.ID != seats[i].Info.ID || got.Channels[0] != fmt.Sprint("c", i) {
				t.Errorf("connection %d is %+v", i, got)
			}
		}
		if most := rig.Ok(c.List(ctx, rig.LogTenant, "", 0))(t).Busiest; most != (node.TopCounts{Channel: 1, Subject: 1}) {
			t.Errorf("the busiest have %+v", most)
		}
		if n := rig.Ok(c.Count(ctx, other))(t); n != 1 {
			t.Errorf("the other tenant has %d", n)
		}

		if err := c.Close(ctx, other, seats[1].Info.ID); tenants.CodeOf(err) != "connection_not_found" {
			t.Errorf("a close of somebody else's: %v", err)
		}
		if err := c.Close(ctx, rig.LogTenant, seats[1].Info.ID); err != nil {
			t.Error(err)
		}
		<-seats[1].Gone
		if err := c.Close(ctx, rig.LogTenant, seats[1].Info.ID); tenants.CodeOf(err) != "connection_not_found" {
			t.Errorf("a second close: %v", err)
		}
		if err := c.Close(ctx, rig.LogTenant, "con_junk"); tenants.CodeOf(err) != "connection_not_found" {
			t.Errorf("a close of no id: %v", err)
		}
		next := tenants.Principal{Tenant: rig.LogTenant, Subject: "user2", TokenID: "tok_next"}
		if err := c.Renew(ctx, rig.LogTenant, seats[2].Info.ID, next); err != nil {
			t.Error(err)
		}
		if err := c.Renew(ctx, rig.LogTenant, seats[3].Info.ID, next); tenants.KindOf(err) != tenants.Forbidden || tenants.CodeOf(err) != "connection_of_another" {
			t.Errorf("a renewal under somebody else's credential: %v", err)
		}
		if err := c.Renew(ctx, rig.LogTenant, seats[1].Info.ID, next); tenants.CodeOf(err) != "connection_not_found" {
			t.Errorf("a renewal of one that was closed: %v", err)
		}
		foreign := tenants.Principal{Tenant: other, Subject: "mallory"}
		if err := c.Renew(ctx, rig.LogTenant, seats[3].Info.ID, foreign); tenants.CodeOf(err) != "connection_not_found" {
			t.Errorf("a renewal under another tenant's credential: %v", err)
		}
		list = rig.Ok(c.List(ctx, rig.LogTenant, "", 100))(t)
		if list.Total != 5 || list.Connections[1].Principal.TokenID != "tok_next" || list.Connections[2].Principal.TokenID != "" {
			t.Errorf("%+v", list)
		}

		// A node that does not answer is told of, and is waited for no longer than that.
		fl.Sites[2].Freeze()
		began := time.Now()
		time.Sleep(time.Second)
		list = rig.Ok(c.List(ctx, rig.LogTenant, "", 100))(t)
		if list.Missing != 1 || list.Total != 3 || time.Since(began) > 4*time.Second {
			t.Errorf("%d missing, %d connections, after %v", list.Missing, list.Total, time.Since(began))
		}
		if err := c.Close(ctx, rig.LogTenant, seats[5].Info.ID); tenants.KindOf(err) != tenants.Unavailable {
			t.Errorf("a close where a node is silent: %v", err)
		}
	})
}

// A list is cut into rows that a table takes, and goes on over all nodes from where a part of it ended.
// What is taken of a rate is seen while it is taken, over all nodes.
func TestConnectsAreCountedOverAllNodesWhileTheyCome(t *testing.T) {
	rig.InFleet(t, 3, func(t *testing.T, fl *rig.Fleet) {
		c := node.NewConnections(fl.Table, fl.Inboxes)
		time.Sleep(15 * time.Second)
		for i := range 9 {
			rig.Ok(fl.Sites[i%3].Connect(quota.Request{Tenant: rig.LogTenant}, tenants.Limits{ConnectsPerSecond: 30}))(t)
		}
		if n := rig.Ok(c.List(t.Context(), rig.LogTenant, "", 0))(t).Connecting; n < 1 || n > 9 {
			t.Errorf("%d connects", n)
		}
		time.Sleep(5 * time.Second)
		if n := rig.Ok(c.List(t.Context(), rig.LogTenant, "", 0))(t).Connecting; n != 0 {
			t.Errorf("%d connects, long after the last", n)
		}
	})
}

func TestConnectionListsComeInParts(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		var names []string
		for i := range 50 {
			names = append(names, fmt.Sprint(strings.Repeat("x", 60), ".", strings.Repeat("y", 60), ".", i))
		}
		want := make(map[string]bool)
		for i := range 1100 {
			c := rig.Ok(fl.Sites[i%5/4].Connect(quota.Request{Tenant: rig.LogTenant, Channels: names}, tenants.Limits{}))(t)
			want[c.Info.ID] = true
		}
		c := node.NewConnections(fl.Table, fl.Inboxes)
		before := tenants.Connection{}
		for after, parts := "", 0; ; parts++ {
			list := rig.Ok(c.List(context.Background(), rig.LogTenant, after, 100))(t)
			if list.Total != 1100 || len(list.Connections) != 100 || list.Missing != 0 {
				t.Fatalf("%d listed of %d, %d nodes missing", len(list.Connections), list.Total, list.Missing)
			}
			for _, got := range list.Connections {
				if !want[got.ID] || got.Since.Before(before.Since) {
					t.Fatalf("%s of %v came behind %v, for the first time: %v", got.ID, got.Since, before.Since, want[got.ID])
				}
				delete(want, got.ID)
				before = got
			}
			if after = list.Next; after == "" {
				if parts != 10 || len(want) != 0 {
					t.Errorf("after %d parts %d are missing", parts+1, len(want))
				}
				return
			}
		}
	})
}

// What is in the asker's own process is closed and renewed there, and no other node is asked.
func TestConnectionsOfThisProcessAskNobody(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		ctx, c := context.Background(), node.NewConnections(fl.Table, fl.Inboxes)
		c.Local = fl.Sites[0].Stage
		r := quota.Request{Tenant: rig.LogTenant, Channels: []string{"c"}, Subject: "alice"}
		here, there := rig.Ok(fl.Sites[0].Connect(r, tenants.Limits{}))(t), rig.Ok(fl.Sites[1].Connect(r, tenants.Limits{}))(t)
		alice := tenants.Principal{Tenant: rig.LogTenant, Subject: "alice", TokenID: "tok_next"}
		if err := c.Renew(ctx, rig.LogTenant, there.Info.ID, alice); err != nil {
			t.Error(err)
		}
		fl.Sites[1].Freeze()
		time.Sleep(time.Second)
		if err := c.Renew(ctx, rig.LogTenant, here.Info.ID, alice); err != nil {
			t.Error(err)
		}
		if err := c.Renew(ctx, rig.LogTenant, here.Info.ID, tenants.Principal{Tenant: rig.LogTenant, Subject: "bob"}); tenants.CodeOf(err) != "connection_of_another" {
			t.Error(err)
		}
		if err := c.Close(ctx, rig.LogTenant, here.Info.ID); err != nil {
			t.Error(err)
		}
		<-here.Gone
		if err := c.Close(ctx, rig.LogTenant, here.Info.ID); tenants.KindOf(err) != tenants.Unavailable {
			t.Errorf("the frozen node may have it: %v", err)
		}
	})
}
