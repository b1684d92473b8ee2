package tenants_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// intakeRig is the way from a webhook to the log.
type intakeRig struct {
	*office
	appenderRig
	table     *tenantstest.Table
	receiver  *tenants.Receiver
	publisher *tenants.Publisher
	tenant    tenants.TenantID
}

func newIntakeRig(t *testing.T) *intakeRig {
	t.Helper()
	r := &intakeRig{office: newOffice(t)}
	r.table = r.office.table
	r.appenderRig = appenderRig{table: r.table, queue: tenantstest.NewQueue(tenantstest.QueueOptions{}), inboxes: &inboxes{}, log: tenants.NewLog(r.table), interest: tenants.NewInterest(r.table)}
	r.Appender = tenants.NewAppender(r.log, r.interest, r.inboxes, r.queue)
	intake := tenants.NewIntake(r.accounts, r.log, r.queue)
	r.receiver, r.publisher = tenants.NewReceiver(r.sources, tenants.NewJudge(nil), intake), tenants.NewPublisher(intake)
	ten, _, _ := r.signUp(t)
	r.tenant = ten.ID
	return r
}

// limit overrides limits of the tenant, and waits until that counts.
func (r *intakeRig) limit(t *testing.T, limits map[string]int64) {
	t.Helper()
	set := make(map[string]*int64)
	for name, n := range limits {
		set[name] = &n
	}
	if _, err := r.accounts.UpdateAsOperator(context.Background(), r.tenant, tenants.OperatorPatch{Limits: set}); err != nil {
		t.Fatal(err)
	}
	r.accounts.Forget(r.tenant)
}

const intakeSecret = "a secret for tests only"

func (r *intakeRig) source(t *testing.T, spec tenants.SourceSpec) (tenants.Source, string) {
	t.Helper()
	if spec.Name == "" {
		spec.Name = "source"
	}
	src, shown, err := r.sources.Create(context.Background(), r.tenant, spec)
	if err != nil {
		t.Fatal(err)
	}
	return src, shown.Token
}

// github is a signed webhook as GitHub sends it.
func github(t *testing.T, token, delivery, eventType, body string) tenants.Inbound {
	t.Helper()
	return signed(t, "github", token, delivery, body, map[string][]string{"X-Github-Event": {eventType}, "Content-Type": {"application/json"}})
}

func signed(t *testing.T, provider, token, delivery, body string, header map[string][]string) tenants.Inbound {
	t.Helper()
	scheme, found := signing.Lookup(provider)
	if !found {
		t.Fatalf("no scheme %s", provider)
	}
	secret, err := scheme.ParseSecret(intakeSecret)
	if err != nil {
		t.Fatal(err)
	}
	in := tenants.Inbound{Token: token, Method: "POST", URL: "https://hooks.example/in/" + token, Body: []byte(body), Received: time.Now()}
	if in.Header, err = scheme.Sign(secret, signing.Request{Method: in.Method, URL: in.URL, Header: header, Body: in.Body}, delivery, in.Received); err != nil {
		t.Fatal(err)
	}
	maps.Copy(in.Header, header)
	return in
}

// queued takes everything out of the queue and returns the events.
func (r *intakeRig) queued(t *testing.T) []tenants.Event {
	t.Helper()
	rs, err := r.queue.Receive(context.Background(), 256, 0)
	if err != nil {
		t.Fatal(err)
	}
	events := make([]tenants.Event, len(rs))
	for i, m := range rs {
		if events[i], err = tenants.DecodeEvent(m.Body); err != nil {
			t.Fatal(err)
		}
		if m.Group == "" || m.Dedupe == "" {
			t.Errorf("group %q, deduplication id %q", m.Group, m.Dedupe)
		}
		if err := r.queue.Done(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	return events
}

// appendAll takes everything from the queue into the log.
func (r *intakeRig) appendAll(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	for {
		rs, err := r.queue.Receive(ctx, 256, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(rs) == 0 {
			return
		}
		if failed := r.Append(ctx, rs); failed != nil {
			t.Fatalf("failed: %v", failed)
		}
		if err := r.queue.Done(ctx, rs...); err != nil {
			t.Fatal(err)
		}
	}
}

// all reads a channel of the rig's tenant.
func (r *intakeRig) all(t *testing.T, channel string) []tenants.Event {
	t.Helper()
	p, err := r.log.Read(context.Background(), r.tenant, channel, 0, 1000, tenants.Retention{})
	if err != nil || p.Gap != nil {
		t.Fatalf("Read: %+v, %v", p.Gap, err)
	}
	return p.Events
}
