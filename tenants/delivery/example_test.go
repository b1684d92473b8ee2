package delivery_test

import (
	"context"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// An event goes from the change feed to the ready queue, and from there to the endpoint.
func Example() {
	ctx := context.Background()
	table, ready := tenantstest.NewTable(tenantstest.Faults{}), tenantstest.NewQueue(tenantstest.QueueOptions{})
	feed := table.Feed()
	ep := rig.EndpointOf("billing")
	outbox := &delivery.Outbox{
		Table: table, Log: eventlog.New(table), Endpoints: rig.NewBook(ep), Ready: ready, Tenants: &rig.NoLimits{},
	}
	receivers := &rig.Receivers{Answer: func(endpoint, event string, n int) (tenants.Answer, time.Duration) {
		return rig.Status(204), 0
	}}

	event := tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Type: "invoice.paid", Time: time.Now()}
	if _, err := outbox.Log.Append(ctx, ep.Tenant, "orders", []tenants.Event{event}); err != nil {
		fmt.Println(err)
	}
	changes, _, _ := feed.Next(ctx, 10)
	failed, err := delivery.NewDispatcher(outbox).Dispatch(ctx, changes)
	fmt.Println("dispatched", failed, err)
	messages, _ := ready.Receive(ctx, 10, 0)
	fmt.Println("delivered", delivery.NewDeliverer(outbox, receivers).Deliver(ctx, messages))
	list, _, _ := delivery.NewDeliveries(outbox).List(ctx, ep.Tenant, delivery.Filter{}, "", 10)
	for _, d := range list {
		fmt.Println(d.Type, d.State, d.History[0].Status)
	}
	// Output:
	// dispatched [] <nil>
	// delivered []
	// invoice.paid delivered 204
}
