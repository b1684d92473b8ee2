package eventlog_test

import (
	"context"
	"fmt"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// made returns an event as a publisher makes it: an id, a type and a payload.
func made(id, data string) tenants.Event {
	return tenants.Event{ID: id, Type: "order.paid", Data: []byte(data)}
}

// The log numbers the events of a channel. An event that is appended again keeps its number.
func ExampleLog() {
	ctx := context.Background()
	log := eventlog.New(tenantstest.NewTable(tenantstest.Faults{}))
	for _, batch := range [][]tenants.Event{
		{made("evt_a", "1"), made("evt_b", "2")},
		{made("evt_b", "2"), made("evt_c", "3")},
	} {
		placed, err := log.Append(ctx, "ten_a", "orders.42", batch)
		fmt.Println(placed[0].Seq, placed[1].Seq, err)
	}

	page, err := log.Read(ctx, "ten_a", "orders.42", 1, 100, tenants.Retention{}) // the cursor is 1
	for _, e := range page.Events {
		fmt.Printf("%d %s %s\n", e.Seq, e.ID, e.Data)
	}
	fmt.Println(page.Cursor(1), page.Tail, err)
	// Output:
	// 1 2 <nil>
	// 2 3 <nil>
	// 2 evt_b 2
	// 3 evt_c 3
	// 3 3 <nil>
}

// A reader whose cursor is below the floor of retention gets a Gap, and continues after it.
func ExampleLog_Read_gap() {
	ctx := context.Background()
	log := eventlog.New(tenantstest.NewTable(tenantstest.Faults{}))
	for i := range 5 {
		e := made(fmt.Sprint("evt_", i), "{}")
		if _, err := log.Append(ctx, "ten_a", "orders.42", []tenants.Event{e}); err != nil {
			fmt.Println(err)
		}
	}
	page, err := log.Read(ctx, "ten_a", "orders.42", 1, 100, tenants.Retention{Events: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("lost %d to %d\n", page.Gap.From, page.Gap.To)
	for _, e := range page.Events {
		fmt.Println("event", e.Seq)
	}
	// Output:
	// lost 2 to 3
	// event 4
	// event 5
}
