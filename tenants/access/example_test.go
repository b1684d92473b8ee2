package access_test

import (
	"context"
	"fmt"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

// policy is a PolicySource with the same rows for every tenant.
type policy []access.Rule

func (p policy) Policies(context.Context, tenants.TenantID) ([]access.Rule, int64, error) {
	return p, 1, nil
}

// A viewer may subscribe to every channel but those that the tenant's own policy denies.
func ExampleGate_Allow() {
	gate, err := access.NewGate(policy{
		{Subject: "role:viewer", Object: "channel:internal.*", Action: access.Subscribe, Effect: access.Deny},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	alice := tenants.Principal{Tenant: "ten_1", Subject: "alice", Roles: []string{tenants.RoleViewer}}
	for _, channel := range []string{"orders.42", "internal.audit"} {
		fmt.Println(gate.Allow(context.Background(), alice, access.Channel(channel), access.Subscribe))
	}
	fmt.Println(gate.Allow(context.Background(), alice, access.Channel("orders.42"), access.Publish))
	// Output:
	// true <nil>
	// false <nil>
	// false <nil>
}
