package source_test

import (
	"context"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// A webhook comes to the URL of a source. The token in the URL leads to the source and its secrets, which verify the
// signature, and the source's template names the channel.
func ExampleSources_ByToken() {
	ctx, table, vault := context.Background(), tenantstest.NewTable(tenantstest.Faults{}), tenantstest.NewVault()
	ring, err := keyring.Open(ctx, table, vault)
	if err != nil {
		fmt.Println(err)
		return
	}
	accounts := account.NewAccounts(table, account.NewNews(table, nil)) // no streaming nodes, so no inboxes
	sources := source.NewSources(table, accounts, vault, ring)
	tenant, _, _, err := accounts.Signup(ctx, "Acme", "ops@acme.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, shown, err := sources.Create(ctx, tenant.ID, source.Spec{
		Name: "GitHub", Provider: "github", Secret: "It's a Secret to Everybody", Channel: "github.{repository.name}",
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// The request as it arrives, signed by the provider.
	request := signing.Request{Method: "POST", Body: []byte(`{"repository":{"name":"Hello-World"}}`),
		Header: map[string][]string{
			"X-Github-Delivery": {"72d3162e-cc78-11e3-81ab-4c9367dc0958"}, "X-Github-Event": {"push"},
			"X-Hub-Signature-256": {"sha256=2282f82d19003aec36c623754f58cd03158ef1b2bb67b503d9a04632571b4853"},
		}}
	src, secrets, err := sources.ByToken(ctx, shown.Token)
	if err != nil {
		fmt.Println(err)
		return
	}
	verified, err := source.NewVerifier(nil).Verify(ctx, src, secrets, request, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	template, err := source.ParseTemplate(src.Channel)
	if err != nil {
		fmt.Println(err)
		return
	}
	channel, _ := template.Channel(source.TemplateInput{Header: request.Header, Body: request.Body,
		Type: verified.Type})
	fmt.Println(src.Name, verified.Type, channel)
	// Output:
	// GitHub push github.hello-world
}
