package rig

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// IntakeRig is the way from a webhook or a publish to the log, for one tenant.
type IntakeRig struct {
	*Office
	AppenderRig
	Table     *tenantstest.Table // that of both Office and AppenderRig
	Receiver  *intake.Receiver
	Publisher *intake.Publisher
	Tenant    tenants.TenantID
}

// NewIntakeRig returns an IntakeRig with a new tenant, over simulations without faults.
func NewIntakeRig(t *testing.T) *IntakeRig {
	t.Helper()
	r := &IntakeRig{Office: NewOffice(t)}
	r.Table = r.Office.Table
	r.AppenderRig = NewAppenderRig(r.Table, tenantstest.Faults{})
	in := intake.NewIntake(r.Accounts, r.Log, r.Queue)
	r.Receiver = intake.NewReceiver(r.Sources, source.NewVerifier(nil), in)
	r.Publisher = intake.NewPublisher(in)
	ten, _, _ := r.SignUp(t)
	r.Tenant = ten.ID
	return r
}

// Limit overrides limits of the tenant. They count at once.
func (r *IntakeRig) Limit(t *testing.T, limits map[string]int64) {
	t.Helper()
	set := make(map[string]*int64)
	for name, n := range limits {
		set[name] = &n
	}
	_, err := r.Accounts.UpdateAsOperator(context.Background(), r.Tenant, account.OperatorPatch{Limits: set})
	if err != nil {
		t.Fatal(err)
	}
	r.Accounts.Forget(r.Tenant)
}

// IntakeSecret is the signing secret of the sources in tests.
const IntakeSecret = "a secret for tests only"

// GithubSpec is a source for GitHub that routes by the repository's name. Webhooks made by Github are signed for it.
var GithubSpec = source.Spec{Provider: "github", Secret: IntakeSecret, Channel: "github.{repository.name}"}

// Source creates a source of the rig's tenant and returns it with the token of its URL.
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

// Github returns a webhook as GitHub sends it, signed with IntakeSecret.
func Github(t *testing.T, token, delivery, eventType, body string) intake.Inbound {
	t.Helper()
	header := map[string][]string{"X-Github-Event": {eventType}, "Content-Type": {"application/json"}}
	return Signed(t, "github", token, delivery, body, header)
}

// Signed returns a webhook signed with IntakeSecret by the provider's scheme, as of now.
func Signed(t *testing.T, provider, token, delivery, body string, header map[string][]string) intake.Inbound {
	t.Helper()
	scheme, found := signing.Lookup(provider)
	if !found {
		t.Fatalf("there is no scheme %q", provider)
	}
	secret, err := scheme.ParseSecret(IntakeSecret)
	if err != nil {
		t.Fatal(err)
	}
	url := "https://hooks.example/in/" + token
	in := intake.Inbound{Token: token, Method: "POST", URL: url, Body: []byte(body), Received: time.Now()}
	request := signing.Request{Method: in.Method, URL: in.URL, Header: header, Body: in.Body}
	if in.Header, err = scheme.Sign(secret, request, delivery, in.Received); err != nil {
		t.Fatal(err)
	}
	maps.Copy(in.Header, header)
	return in
}

// Queued takes all events out of the queue and returns them.
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
			t.Errorf("got group %q and deduplication id %q, want both", m.Group, m.Dedupe)
		}
		if err := r.Queue.Done(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	return events
}

// AppendAll moves all events from the queue to the log.
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
			t.Fatalf("messages %v failed, want none", failed)
		}
		if err := r.Queue.Done(ctx, rs...); err != nil {
			t.Fatal(err)
		}
	}
}

// All returns the events of a channel of the rig's tenant.
func (r *IntakeRig) All(t *testing.T, channel string) []tenants.Event {
	t.Helper()
	p, err := r.Log.Read(context.Background(), r.Tenant, channel, 0, 1000, tenants.Retention{})
	if err != nil || p.Gap != nil {
		t.Fatalf("Read: got gap %+v and error %v, want neither", p.Gap, err)
	}
	return p.Events
}
