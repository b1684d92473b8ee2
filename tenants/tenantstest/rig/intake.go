package rig

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// IntakeRig is the way from a webhook to the log.
type IntakeRig struct {
	*Office
	AppenderRig
	Table     *tenantstest.Table
	Receiver  *intake.Receiver
	Publisher *intake.Publisher
	Tenant    tenants.TenantID
}

func NewIntakeRig(t *testing.T) *IntakeRig {
	t.Helper()
	r := &IntakeRig{Office: NewOffice(t)}
	r.Table = r.Office.Table
	r.AppenderRig = AppenderRig{Table: r.Table, Queue: tenantstest.NewQueue(tenantstest.QueueOptions{}), Inboxes: &Inboxes{}, Log: eventlog.New(r.Table), Interest: node.NewInterest(r.Table)}
	r.Appender = intake.NewAppender(r.Log, r.Interest, r.Inboxes, r.Queue)
	in := intake.NewIntake(r.Accounts, r.Log, r.Queue)
	r.Receiver, r.Publisher = intake.NewReceiver(r.Sources, source.NewVerifier(nil), in), intake.NewPublisher(in)
	ten, _, _ := r.SignUp(t)
	r.Tenant = ten.ID
	return r
}

// Limit overrides limits of the tenant, and waits until that counts.
func (r *IntakeRig) Limit(t *testing.T, limits map[string]int64) {
	t.Helper()
	set := make(map[string]*int64)
	for name, n := range limits {
		set[name] = &n
	}
	if _, err := r.Accounts.UpdateAsOperator(context.Background(), r.Tenant, account.OperatorPatch{Limits: set}); err != nil {
		t.Fatal(err)
	}
	r.Accounts.Forget(r.Tenant)
}

const IntakeSecret = "a secret for tests only"

func (r *IntakeRig) Source(t *testing.T, spec source.Spec) (source.Source, string) {
	t.Helper()
	if spec.Name == "" {
		spec.Name = "source"
	}
	src, shown, err := r.Sources.Create(context.Background(), r.Tenant, spec)
	if err != nil {
		t.Fatal(err)
	}
	return src, shown.Token
}

// Github is a signed webhook as GitHub sends it.
func Github(t *testing.T, token, delivery, eventType, body string) intake.Inbound {
	t.Helper()
	return Signed(t, "github", token, delivery, body, map[string][]string{"X-Github-Event": {eventType}, "Content-Type": {"application/json"}})
}

func Signed(t *testing.T, provider, token, delivery, body string, header map[string][]string) intake.Inbound {
	t.Helper()
	scheme, found := signing.Lookup(provider)
	if !found {
		t.Fatalf("no scheme %s", provider)
	}
	secret, err := scheme.ParseSecret(IntakeSecret)
	if err != nil {
		t.Fatal(err)
	}
	in := intake.Inbound{Token: token, Method: "POST", URL: "https://hooks.example/in/" + token, Body: []byte(body), Received: time.Now()}
	if in.Header, err = scheme.Sign(secret, signing.Request{Method: in.Method, URL: in.URL, Header: header, Body: in.Body}, delivery, in.Received); err != nil {
		t.Fatal(err)
	}
	maps.Copy(in.Header, header)
	return in
}

// Queued takes everything out of the queue and returns the events.
func (r *IntakeRig) Queued(t *testing.T) []tenants.Event {
	t.Helper()
	rs, err := r.Queue.Receive(context.Background(), 256, 0)
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
		if err := r.Queue.Done(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	return events
}

// AppendAll takes everything from the queue into the log.
func (r *IntakeRig) AppendAll(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	for {
		rs, err := r.Queue.Receive(ctx, 256, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(rs) == 0 {
			return
		}
		if failed := r.Append(ctx, rs); failed != nil {
			t.Fatalf("failed: %v", failed)
		}
		if err := r.Queue.Done(ctx, rs...); err != nil {
			t.Fatal(err)
		}
	}
}

// All reads a channel of the rig's tenant.
func (r *IntakeRig) All(t *testing.T, channel string) []tenants.Event {
	t.Helper()
	p, err := r.Log.Read(context.Background(), r.Tenant, channel, 0, 1000, tenants.Retention{})
	if err != nil || p.Gap != nil {
		t.Fatalf("Read: %+v, %v", p.Gap, err)
	}
	return p.Events
}
