package tenants_test

import (
	"fmt"

	"github.com/hookcast/hookcast/tenants"
)

func ExampleParseCursor() {
	channels := []string{"orders.42", "stock"}
	cursor := string(tenants.AppendCursor(nil, tenants.CursorSeed(channels), []int64{12, 0}))
	fmt.Println(cursor)
	fmt.Println(tenants.ParseCursor(cursor, channels))
	_, err := tenants.ParseCursor(cursor, []string{"orders.42", "prices"})
	fmt.Println(err)
	// Output:
	// 994894ea.c.0
	// [12 0] <nil>
	// invalid_cursor: the cursor must belong to these channels in this order
}

func ExampleChannelMatches() {
	fmt.Println(tenants.ChannelMatches("orders.*", "orders.42"))
	fmt.Println(tenants.ChannelMatches("orders.*", "orders"))
	fmt.Println(tenants.ChannelMatches("*", "stock"))
	// Output:
	// true
	// false
	// true
}

// A provider's retry of a delivery gets the same id as the first attempt, so the event is recognized as a duplicate.
func ExampleDerivedID() {
	first := tenants.DerivedID(tenants.PrefixEvent, "ten_a", "src_b", "delivery 7")
	retry := tenants.DerivedID(tenants.PrefixEvent, "ten_a", "src_b", "delivery 7")
	other := tenants.DerivedID(tenants.PrefixEvent, "ten_a", "src_b", "delivery 8")
	fmt.Println(first == retry, first == other, tenants.ValidID(tenants.PrefixEvent, first))
	// Output: true false true
}
