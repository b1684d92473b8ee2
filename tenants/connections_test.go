package tenants_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

func TestConnectionsOverAllNodes(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, fl *fleet) {
		ctx, c := context.Background(), tenants.NewConnections(fl.table, fl.inboxes)
		other := tenants.TenantID(tenants.DerivedID(tenants.PrefixTenant, "other"))
		var seats []*seat
		for i := range 6 {
			seats = append(seats, ok(fl.sites[i%3].connect(tenants.AdmissionRequest{Tenant: logTenant, Channels: []string{fmt.Sprint("c", i)}}, tenants.Limits{}))(t))
			time.Sleep(time.Second)
		}
		ok(fl.sites[0].connect(tenants.AdmissionRequest{Tenant: other}, tenants.Limits{}))(t)
		list := ok(c.List(ctx, logTenant))(t)
		if list.Total != 6 || list.Missing != 0 || len(list.Connections) != 6 {
			t.Fatalf("%+v", list)
		}
		for i, got := range list.Connections {
			if got.ID != seats[i].info.ID || got.Channels[0] != fmt.Sprint("c", i) {
				t.Errorf("connection %d is %+v", i, got)
			}
		}
		if n := ok(c.Count(ctx, other))(t); n != 1 {
			t.Errorf("the other tenant has %d", n)
		}

		if err := c.Close(ctx, other, seats[1].info.ID); tenants.CodeOf(err) != "connection_not_found" {
			t.Errorf("a close of somebody else's: %v", err)
		}
		if err := c.Close(ctx, logTenant, seats[1].info.ID); err != nil {
			t.Error(err)
		}
		<-seats[1].gone
		if err := c.Close(ctx, logTenant, seats[1].info.ID); tenants.CodeOf(err) != "connection_not_found" {
			t.Errorf("a second close: %v", err)
		}
		if err := c.Close(ctx, logTenant, "con_junk"); tenants.CodeOf(err) != "connection_not_found" {
			t.Errorf("a close of no id: %v", err)
		}
		next := tenants.Principal{Tenant: logTenant, Subject: "alice"}
		if err := c.Renew(ctx, logTenant, seats[2].info.ID, next); err != nil {
			t.Error(err)
		}
		foreign := tenants.Principal{Tenant: other, Subject: "mallory"}
		if err := c.Renew(ctx, logTenant, seats[3].info.ID, foreign); tenants.CodeOf(err) != "connection_not_found" {
			t.Errorf("a renewal under another tenant's credential: %v", err)
		}
		list = ok(c.List(ctx, logTenant))(t)
		if list.Total != 5 || list.Connections[1].Principal.Subject != "alice" || list.Connections[2].Principal.Subject != "" {
			t.Errorf("%+v", list)
		}

		// A node that does not answer is told of, and is waited for no longer than that.
		fl.sites[2].Freeze()
		began := time.Now()
		time.Sleep(time.Second)
		list = ok(c.List(ctx, logTenant))(t)
		if list.Missing != 1 || list.Total != 3 || time.Since(began) > 4*time.Second {
			t.Errorf("%d missing, %d connections, after %v", list.Missing, list.Total, time.Since(began))
		}
		if err := c.Close(ctx, logTenant, seats[5].info.ID); tenants.KindOf(err) != tenants.Unavailable {
			t.Errorf("a close where a node is silent: %v", err)
		}
	})
}

// A list is cut into rows that a table takes, and bounded.
func TestConnectionListsAreBounded(t *testing.T) {
	inFleet(t, 2, func(t *testing.T, fl *fleet) {
		var names []string
		for i := range 50 {
			names = append(names, fmt.Sprint(strings.Repeat("x", 60), ".", strings.Repeat("y", 60), ".", i))
		}
		for range 1100 {
			ok(fl.sites[0].connect(tenants.AdmissionRequest{Tenant: logTenant, Channels: names}, tenants.Limits{}))(t)
		}
		ok(fl.sites[1].connect(tenants.AdmissionRequest{Tenant: logTenant, Channels: names[:1]}, tenants.Limits{}))(t)
		list := ok(tenants.NewConnections(fl.table, fl.inboxes).List(context.Background(), logTenant))(t)
		if list.Total != 1101 || len(list.Connections) != 1001 || list.Missing != 0 {
			t.Errorf("%d listed of %d, %d nodes missing", len(list.Connections), list.Total, list.Missing)
		}
	})
}
