package endpoint_test

import (
	"context"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// anyURL allows every URL. A deployment checks them with package egress.
type anyURL struct{}

func (anyURL) CheckURL(_ context.Context, raw string) (string, error) { return raw, nil }

// An event that matches an endpoint becomes a signed request, which the receiver verifies with the key that it was
// shown.
func ExampleEndpoints_Prepare() {
	ctx, table, vault := context.Background(), tenantstest.NewTable(tenantstest.Faults{}), tenantstest.NewVault()
	ring, err := keyring.Open(ctx, table, vault)
	if err != nil {
		fmt.Println(err)
		return
	}
	accounts := account.NewAccounts(table, account.NewNews(table, nil)) // no streaming nodes, so no inboxes
	endpoints := endpoint.NewEndpoints(table, accounts, vault, ring, endpoint.Options{Destinations: anyURL{}})
	tenant, _, _, err := accounts.Signup(ctx, "Acme", "ops@acme.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	e, key, err := endpoints.Create(ctx, tenant.ID, endpoint.Spec{
		Name: "orders", URL: "https://acme.example/hooks", Channels: []string{"orders.*"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	now := time.Unix(1_800_000_000, 0)
	event := tenants.Event{ID: "evt_1", Channel: "orders.42", Seq: 7, Type: "order.paid",
		Data: []byte(`{"total":12.5}`)}
	matches, err := endpoints.Matches(e, event)
	fmt.Println("matches:", matches, err)
	request, err := endpoints.Prepare(ctx, e, "msg_1", event, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(request.Method, request.URL, request.Header["Webhook-Timestamp"])

	// The receiver verifies it by the rules of Standard Webhooks.
	scheme, _ := signing.Lookup("standard-webhooks")
	secret, err := scheme.ParseSecret(key.Secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	received := signing.Request{Method: request.Method, Header: request.Header, Body: request.Body}
	_, err = scheme.Verify(received, []signing.Secret{secret}, now, signing.Options{})
	fmt.Println("verified:", err == nil)
	// Output:
	// matches: true <nil>
	// POST https://acme.example/hooks [1800000000]
	// verified: true
}
