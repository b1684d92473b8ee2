package filter_test

import (
	"fmt"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/filter"
)

func ExampleFilters_Matches() {
	filters, err := filter.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	const expression = `event.type.startsWith("order.") && data.total >= 100`
	fmt.Println(filters.Check(expression))

	for _, payload := range []string{`{"total":250}`, `{"total":20}`, `{}`} {
		match, err := filters.Matches(expression, tenants.Event{Type: "order.paid", Data: []byte(payload)})
		fmt.Println(payload, match, err)
	}
	// Output:
	// <nil>
	// {"total":250} true <nil>
	// {"total":20} false <nil>
	// {} false filter_failed: no such key: total
}

// An expression that is not a condition is refused when it is configured.
func ExampleFilters_Check() {
	filters, _ := filter.New()
	fmt.Println(filters.Check(`data.paid`))
	fmt.Println(filters.Check(`event.type`))
	// Output:
	// <nil>
	// invalid_filter: the expression must be true or false, not of type string
}
