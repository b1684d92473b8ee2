package account_test

import (
	"context"
	"fmt"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// A customer signs up and gets the first key. Requests authenticate with it.
func ExampleAccounts_Signup() {
	ctx, table, vault := context.Background(), tenantstest.NewTable(tenantstest.Faults{}), tenantstest.NewVault()
	ring, err := keyring.Open(ctx, table, vault)
	if err != nil {
		fmt.Println(err)
		return
	}
	accounts := account.NewAccounts(table, account.NewNews(table, nil)) // no streaming nodes, so no inboxes
	keys := account.NewKeys(accounts, account.NewSigners(accounts, vault, ring))

	tenant, _, secret, err := accounts.Signup(ctx, "Acme", "ops@acme.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	who, err := keys.Authenticate(ctx, secret)
	fmt.Println(who.Tenant == tenant.ID, who.Roles, err)

	_, err = keys.Authenticate(ctx, secret[1:])
	fmt.Println(tenants.CodeOf(err))
	// Output:
	// true [owner] <nil>
	// api_key_malformed
}
