package record_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// A door has room for two visitors. The function that decides sees the record as it is now, and may be called again if
// another process was faster.
func ExampleUpdate() {
	type door struct{ Inside int }
	ctx, table := context.Background(), tenantstest.NewTable(tenantstest.Faults{})
	k := tenants.Key{Tenant: "ten_a", Kind: "door", Sort: "front"}
	enter := func(now door, was tenants.Condition) ([]tenants.Op, error) {
		if now.Inside == 2 {
			return nil, errors.New("full")
		}
		return []tenants.Op{tenants.Put(k, record.Encode(door{now.Inside + 1}), time.Time{}, was)}, nil
	}
	for range 3 {
		fmt.Println(record.Update(ctx, table, k, enter))
	}
	row, _ := table.Get(ctx, k)
	fmt.Println(string(row.Body))
	// Output:
	// <nil>
	// <nil>
	// full
	// {"Inside":2}
}
