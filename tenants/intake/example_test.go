package intake_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// deployment is a small deployment over simulated storage, with one tenant.
type deployment struct {
	tenant   tenants.TenantID
	sources  *source.Sources
	intake   *intake.Intake
	queue    *tenantstest.Queue
	log      *eventlog.Log
	appender *intake.Appender
}

func deploy(ctx context.Context) deployment {
	table, vault, inboxes := rig.NewTable(), tenantstest.NewVault(), &rig.Inboxes{}
	keys := must(keyring.Open(ctx, table, vault))
	accounts := account.NewAccounts(table, account.NewNews(table, inboxes))
	tenant, _, _, err := accounts.Signup(ctx, "Acme", "ops@example.com")
	d := deployment{
		tenant: must(tenant, err).ID, sources: source.NewSources(table, accounts, vault, keys),
		queue: tenantstest.NewQueue(tenantstest.QueueOptions{}), log: eventlog.New(table),
	}
	d.intake = intake.NewIntake(accounts, d.log, d.queue)
	d.appender = intake.NewAppender(d.log, node.NewInterest(table), inboxes, d.queue)
	return d
}

// show appends what is queued, as Appender.Run does, and prints the events of a channel.
func (d deployment) show(ctx context.Context, channel string) {
	received := must(d.queue.Receive(ctx, 10, 0))
	if failed := d.appender.Append(ctx, received); failed != nil {
		log.Fatalf("messages %v failed", failed)
	}
	page := must(d.log.Read(ctx, d.tenant, channel, 0, 100, tenants.Retention{}))
	for _, e := range page.Events {
		fmt.Printf("%s %d: %s %s\n", e.Channel, e.Seq, e.Type, e.Data)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A signed webhook goes into the log, to the channel that its source's template names.
func ExampleReceiver_Receive() {
	ctx := context.Background()
	d := deploy(ctx)
	const secret = "It's a Secret to Everybody"
	_, shown, err := d.sources.Create(ctx, d.tenant, source.Spec{
		Name: "GitHub", Provider: "github", Secret: secret, Channel: "github.{repository.name}",
	})
	token := must(shown, err).Token

	// This is what GitHub does.
	now, body := time.Now(), []byte(`{"repository":{"name":"hello"}}`)
	scheme, _ := signing.Lookup("github")
	request := signing.Request{Method: "POST", URL: "https://hooks.example/in/" + token, Body: body}
	header := must(scheme.Sign(must(scheme.ParseSecret(secret)), request, "delivery-1", now))
	header["X-Github-Event"] = []string{"push"}

	receiver := intake.NewReceiver(d.sources, source.NewVerifier(nil), d.intake)
	in := intake.Inbound{
		Token: token, Method: request.Method, URL: request.URL, Header: header, Body: body, Received: now,
	}
	fmt.Println("accepted for", must(receiver.Receive(ctx, in)).Channel)
	d.show(ctx, "github.hello")
	fmt.Println("duplicate:", must(receiver.Receive(ctx, in)).Duplicate)

	in.Body = []byte(`{"repository":{"name":"forged"}}`)
	_, err = receiver.Receive(ctx, in)
	fmt.Println(tenants.CodeOf(err))
	// Output:
	// accepted for github.hello
	// github.hello 1: push {"repository":{"name":"hello"}}
	// duplicate: true
	// signature_mismatch
}

// An id of the sender's own makes it safe to publish an event again.
func ExamplePublisher_Publish() {
	ctx := context.Background()
	d := deploy(ctx)
	publisher := intake.NewPublisher(d.intake)
	event := intake.Publication{Channel: "orders.42", Type: "order.paid", Data: []byte(`{"total":7}`), ID: "payment-1"}
	fmt.Println("duplicate:", must(publisher.Publish(ctx, d.tenant, event)).Duplicate)
	d.show(ctx, "orders.42")
	fmt.Println("duplicate:", must(publisher.Publish(ctx, d.tenant, event)).Duplicate)

	_, err := publisher.Publish(ctx, d.tenant, intake.Publication{Channel: "Orders", Type: "order.paid"})
	fmt.Println(tenants.CodeOf(err))
	// Output:
	// duplicate: false
	// orders.42 1: order.paid {"total":7}
	// duplicate: true
	// invalid_channel
}
