package job_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// A worker reports on a job, and the job's channel shows the progress and the end.
func ExampleJobs_Report() {
	ctx := context.Background()
	table, queue := tenantstest.NewTable(tenantstest.Faults{}), tenantstest.NewQueue(tenantstest.QueueOptions{})
	inboxes := tenantstest.NewInboxes(tenantstest.Faults{})
	ring, err := keyring.Open(ctx, table, tenantstest.NewVault())
	if err != nil {
		log.Fatal(err)
	}
	accounts, events := account.NewAccounts(table, account.NewNews(table, inboxes)), eventlog.New(table)
	acme, _, _, err := accounts.Signup(ctx, "Acme", "ops@example.com")
	if err != nil {
		log.Fatal(err)
	}

	jobs := job.NewJobs(table, intake.NewIntake(accounts, events, queue), ring)
	export, err := jobs.Create(ctx, acme.ID, job.Spec{Name: "Export"})
	if err != nil {
		log.Fatal(err)
	}
	for _, report := range []job.Report{
		{Percent: new(40.0), Step: new("pages")},
		{Complete: true, Result: json.RawMessage(`{"file":"2026.zip"}`)},
	} {
		if _, err := jobs.Report(ctx, acme.ID, export.ID, report); err != nil {
			log.Fatal(err)
		}
	}

	// The appender puts the events into the channel; a page reads them there.
	appender := intake.NewAppender(events, node.NewInterest(table), inboxes, queue)
	for queue.Len() > 0 {
		queued, err := queue.Receive(ctx, 10, 0)
		if err != nil || len(appender.Append(ctx, queued)) > 0 {
			log.Fatal("not appended: ", err)
		}
		if err := queue.Done(ctx, queued...); err != nil {
			log.Fatal(err)
		}
	}
	shown, err := events.Read(ctx, acme.ID, export.Channel, 0, 10, tenants.Retention{})
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range shown.Events {
		var data struct {
			Percent float64
			Step    string
			Result  json.RawMessage
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %g%% step %q result %#q\n", e.Type, data.Percent, data.Step, data.Result)
	}
	// Output:
	// job.progress 0% step "" result ``
	// job.progress 40% step "pages" result ``
	// job.completed 100% step "pages" result `{"file":"2026.zip"}`
}
