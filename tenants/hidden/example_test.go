package hidden_test

import (
	"fmt"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// A viewer sees orders without the customer's email and without prices. The event in the log is not changed.
func ExampleHidden_View() {
	h := hidden.New(
		hidden.Field{Channel: "orders.*", Path: "customer.email"},
		hidden.Field{Channel: "*", Path: "items.price"},
	)
	const paid = `{"id":42,"customer":{"name":"Ann","email":"ann@example.com"},"items":[{"sku":"A","price":9.50}]}`
	order := &tenants.Event{Channel: "orders.42", Data: []byte(paid)}
	fmt.Println(string(h.View(order).Data))
	fmt.Println(string(h.View(&tenants.Event{Channel: "orders.42", Data: []byte("not JSON")}).Data))
	fmt.Println(h.Fields("orders.42"))
	// Output:
	// {"id":42,"customer":{"name":"Ann"},"items":[{"sku":"A"}]}
	// {"withheld":true}
	// [customer.email items.price]
}
