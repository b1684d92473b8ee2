package endpoint_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestEndpointIsStoredWithoutItsSecrets(t *testing.T) {
	o, s, tenant := rig.EndpointOffice(t, false)
	e, key := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
	if e.State != endpoint.Enabled || !strings.HasPrefix(key.Secret, "whsec_") || key.PublicKey != "" {
		t.Errorf("got %+v, want an enabled endpoint with a v1 secret", e)
	}
	rows := rig.Ok(o.Table.Query(context.Background(),
		tenants.Range{Tenant: tenant, Kind: "list/endpoints", Limit: 10}))(t)
	if len(rows) != 1 || strings.Contains(string(rows[0].Body), key.Secret) ||
		strings.Contains(string(rows[0].Body), "of-the-tenant") {
		t.Errorf("%d rows are stored, want 1 without secrets", len(rows))
	}
	all := rig.Ok(s.All(context.Background(), tenant))(t)
	if len(all) != 1 || all[0].ID != e.ID || all[0].HeaderNames[0] != "Authorization" {
		t.Errorf("listed %+v, want %s with its header name", all, e.ID)
	}
	if keys := rig.Ok(s.Keys(context.Background(), e))(t); len(keys) != 1 || keys[0].Secret != key.Secret {
		t.Error("the secret that is shown again is not the one that was created")
	}
}

func TestEndpointRefuses(t *testing.T) {
	o, s, tenant := rig.EndpointOffice(t, false)
	writes := o.Table.Count("Write")
	many := make([]string, 51)
	for i := range many {
		many[i] = fmt.Sprintf("c%d", i)
	}
	for _, c := range []struct {
		code   string
		change func(*endpoint.Spec)
	}{
		{"invalid_name", func(s *endpoint.Spec) { s.Name = "" }},
		{"invalid_url", func(s *endpoint.Spec) { s.URL = "http://example.com" }},
		{"invalid_channel", func(s *endpoint.Spec) { s.Channels = []string{"Orders"} }},
		{"invalid_channel", func(s *endpoint.Spec) { s.Channels = []string{"a", "a"} }},
		{"invalid_channel", func(s *endpoint.Spec) { s.Channels = many }},
		{"invalid_type", func(s *endpoint.Spec) { s.Types = []string{"a b"} }},
		{"invalid_type", func(s *endpoint.Spec) { s.Types = []string{""} }},
		{"invalid_type", func(s *endpoint.Spec) { s.Types = []string{".*"} }},
		{"invalid_type", func(s *endpoint.Spec) { s.Types = []string{"a*b"} }},
		{"invalid_filter", func(s *endpoint.Spec) { s.Filter = "(" }},
		{"invalid_rate", func(s *endpoint.Spec) { s.PerSecond = -1 }},
		{"invalid_rate", func(s *endpoint.Spec) { s.PerSecond = 1001 }},
		{"invalid_concurrency", func(s *endpoint.Spec) { s.Concurrency = 65 }},
		{"invalid_schedule", func(s *endpoint.Spec) { s.Schedule = make([]time.Duration, 21) }},
		{"invalid_schedule", func(s *endpoint.Spec) { s.Schedule = []time.Duration{time.Millisecond} }},
		{"invalid_schedule", func(s *endpoint.Spec) { s.Schedule = []time.Duration{25 * time.Hour} }},
		{"invalid_scheme", func(s *endpoint.Spec) { s.SecretScheme = "v0" }},
		{"invalid_secret", func(s *endpoint.Spec) { s.Secret = " " }},
		{"invalid_secret", func(s *endpoint.Spec) { s.Secret = "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }},
		{"invalid_secret", func(s *endpoint.Spec) { s.Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS" }}, // unpadded
		{"invalid_secret", func(s *endpoint.Spec) { s.Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n" }},
		{"invalid_secret", func(s *endpoint.Spec) {
			s.SecretScheme, s.Secret = "v1a", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		}},
	} {
		spec := rig.HooksEndpoint()
		c.change(&spec)
		_, _, err := s.Create(context.Background(), tenant, spec)
		rig.WantError(t, err, tenants.Unprocessable, c.code)
		if strings.Contains(err.Error(), "MfKQ9r8") {
			t.Errorf("the error contains the secret: %v", err)
		}
	}
	if o.Table.Count("Write") != writes {
		t.Error("a refused endpoint was stored")
	}
}

func TestEndpointLimitHoldsAgainstConcurrentCalls(t *testing.T) {
	o, s, tenant := rig.EndpointOffice(t, false)
	if _, err := o.Accounts.UpdateAsOperator(context.Background(), tenant,
		account.OperatorPatch{Limits: map[string]*int64{"endpoints": new(int64(3))}}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, _, err := s.Create(context.Background(), tenant, rig.HooksEndpoint())
			if err != nil && tenants.CodeOf(err) != "endpoint_limit" && tenants.CodeOf(err) != "changed_meanwhile" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 3 {
		_, _, _ = s.Create(context.Background(), tenant, rig.HooksEndpoint())
	}
	_, _, err := s.Create(context.Background(), tenant, rig.HooksEndpoint())
	rig.WantError(t, err, tenants.TooMany, "endpoint_limit")
	if all := rig.Ok(s.All(context.Background(), tenant))(t); len(all) != 3 {
		t.Errorf("got %d endpoints, want 3", len(all))
	}
}

// The attack: a tenant without a limit aims a thousand endpoints at one host.
func TestThousandEndpointsToOneHostEndAtAHundred(t *testing.T) {
	o, s, tenant := rig.EndpointOffice(t, false)
	if _, err := o.Accounts.UpdateAsOperator(context.Background(), tenant,
		account.OperatorPatch{Plan: new("unlimited")}); err != nil {
		t.Fatal(err)
	}
	made := 0
	for i := range 1000 {
		spec := rig.HooksEndpoint()
		spec.URL = fmt.Sprintf("https://hooks.example.com/%d", i)
		_, _, err := s.Create(context.Background(), tenant, spec)
		if err == nil {
			made++
			continue
		}
		rig.WantError(t, err, tenants.TooMany, "endpoint_host_limit")
		if i > 120 {
			break
		}
	}
	if made != endpoint.MaxPerHost {
		t.Errorf("%d endpoints were created, want %d", made, endpoint.MaxPerHost)
	}
	elsewhere := rig.HooksEndpoint()
	elsewhere.URL = "https://other.example.com/"
	e, _ := rig.MustCreate(t, s, tenant, elsewhere)
	_, err := s.Patch(context.Background(), tenant, e.ID, endpoint.Patch{URL: new("https://HOOKS.example.com:8443/x")})
	rig.WantError(t, err, tenants.TooMany, "endpoint_host_limit")
}

func TestEndpointOfAnotherTenantIsNotThere(t *testing.T) {
	o, s, tenant := rig.EndpointOffice(t, false)
	e, _ := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
	other, _, _ := o.SignUp(t)
	ctx := context.Background()
	for name, err := range map[string]error{
		"get":     second(s.Get(ctx, other.ID, e.ID)),
		"patch":   second(s.Patch(ctx, other.ID, e.ID, endpoint.Patch{Name: new("mine")})),
		"enable":  second(s.Enable(ctx, other.ID, e.ID)),
		"disable": second(s.Disable(ctx, other.ID, e.ID, "")),
		"delete":  s.Delete(ctx, other.ID, e.ID),
		"no id":   second(s.Get(ctx, tenant, "end_x")),
	} {
		if tenants.CodeOf(err) != "endpoint_not_found" {
			t.Errorf("%s: got %v, want endpoint_not_found", name, err)
		}
	}
	_, _, err := s.RotateSecret(ctx, other.ID, e.ID, endpoint.SecretRotation{})
	rig.WantError(t, err, tenants.NotFound, "endpoint_not_found")
	// A row that is copied to another tenant does not open there.
	stolen := e
	stolen.Tenant = other.ID
	_, err = s.Prepare(ctx, stolen, "msg_1", rig.OrderEvent(other.ID), time.Now())
	if tenants.CodeOf(err) != "unsealable" {
		t.Errorf("signing with a copied endpoint: got %v, want unsealable", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestEndpointDeletedIsGone(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	e, _ := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
	if err := s.Delete(context.Background(), tenant, e.ID); err != nil {
		t.Fatal(err)
	}
	rig.WantError(t, second(s.Get(context.Background(), tenant, e.ID)), tenants.NotFound, "endpoint_not_found")
	rig.WantError(t, s.Delete(context.Background(), tenant, e.ID), tenants.NotFound, "endpoint_not_found")
}

func TestDeletedTenantLeavesNoEndpointSecret(t *testing.T) {
	o, s, tenant := rig.EndpointOffice(t, false)
	rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
	if err := o.Erasure.Delete(context.Background(), tenant); err != nil {
		t.Fatal(err)
	}
	list := tenants.Range{Tenant: tenant, Kind: "list/endpoints", Limit: 10}
	if rows := rig.Ok(o.Table.Query(context.Background(), list))(t); len(rows) != 0 {
		t.Errorf("%d rows are left, want 0", len(rows))
	}
	_, _, err := s.Create(context.Background(), tenant, rig.HooksEndpoint())
	rig.WantError(t, err, tenants.NotFound, "tenant_not_found")
}

func TestEndpointStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s, tenant := rig.EndpointOffice(t, true)
		ctx := context.Background()
		e, _ := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
		if e.State != endpoint.Pending || e.Reason == "" {
			t.Fatalf("a new endpoint is %s (%q), want pending with a reason", e.State, e.Reason)
		}
		if again := rig.Ok(s.Enable(ctx, tenant, e.ID))(t); again.State != endpoint.Pending {
			t.Errorf("without proof it is %s, want pending", again.State)
		}
		rig.WantError(t, second(s.Prove(ctx, e, "")), tenants.Unprocessable, "challenge_failed")
		rig.WantError(t, second(s.Prove(ctx, e, strings.Repeat("0", 52))), tenants.Unprocessable, "challenge_failed")
		// The challenge is the same in every process of a deployment, and differs between deployments.
		elsewhere := rig.OfficeWith(t, o.Table, o.Vault).Endpoints(true)
		stranger := rig.OfficeOver(t, tenantstest.NewTable(tenantstest.Faults{})).Endpoints(true)
		if s.Challenge(e) != elsewhere.Challenge(e) || s.Challenge(e) == stranger.Challenge(e) {
			t.Error("the challenge is not derived from the deployment")
		}
		first := s.Challenge(e)
		e = rig.Ok(s.Prove(ctx, e, first))(t)
		if e.State != endpoint.Enabled || e.Reason != "" {
			t.Errorf("with proof it is %s (%q), want enabled", e.State, e.Reason)
		}
		time.Sleep(time.Minute)
		off := rig.Ok(s.Disable(ctx, tenant, e.ID, "by hand"))(t)
		if off.State != endpoint.Disabled || off.Reason != "by hand" || !off.Changed.After(e.Changed) {
			t.Errorf("got %+v, want a disabled endpoint with a reason and a later time of change", off)
		}
		time.Sleep(time.Minute)
		if e = rig.Ok(s.Enable(ctx, tenant, e.ID))(t); e.State != endpoint.Enabled {
			t.Errorf("enabled again, it is %s, want enabled", e.State)
		}
		moved := rig.Ok(s.Patch(ctx, tenant, e.ID, endpoint.Patch{URL: new("https://elsewhere.example.com/")}))(t)
		if moved.State != endpoint.Pending || s.Challenge(moved) == first {
			t.Errorf("at another URL it is %s, want pending with another challenge", moved.State)
		}
		rig.WantError(t, second(s.Prove(ctx, e, s.Challenge(e))), tenants.Conflict, "endpoint_changed")
		time.Sleep(time.Minute)
		back := rig.Ok(s.Patch(ctx, tenant, e.ID, endpoint.Patch{URL: &e.URL}))(t)
		if back.State != endpoint.Enabled {
			t.Errorf("back at the proven URL it is %s, want enabled", back.State)
		}
	})
}

func TestEndpointGivenUpOnlyAsItWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, tenant := rig.EndpointOffice(t, false)
		ctx := context.Background()
		seen, _ := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
		rig.Ok(s.Patch(ctx, tenant, seen.ID, endpoint.Patch{URL: new("https://mended.example.com/")}))(t)
		if e := rig.Ok(s.GiveUp(ctx, seen, "410"))(t); e.State != endpoint.Enabled {
			t.Errorf("after a 410 from the old URL it is %s, want enabled", e.State)
		}
		seen = rig.Ok(s.Get(ctx, tenant, seen.ID))(t)
		if e := rig.Ok(s.GiveUp(ctx, seen, "410"))(t); e.State != endpoint.Disabled || e.Reason != "410" {
			t.Errorf("got %s %q, want disabled with the reason 410", e.State, e.Reason)
		}
	})
}

func TestEndpointMatches(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	for _, c := range []struct {
		channels, types []string
		filter          string
		channel, typ    string
		hops            int
		want            bool
		code            string
	}{
		{channel: "orders.42", typ: "order.paid", want: true},
		{channel: "hookcast.notices", typ: "hookcast.limit"},
		{channels: []string{"*"}, channel: "hookcast.notices", typ: "hookcast.limit"},
		{channels: []string{"hookcast.*"}, channel: "hookcast.notices", typ: "hookcast.limit", want: true},
		{channels: []string{"orders.*"}, channel: "orders.42", typ: "x", want: true},
		{channels: []string{"orders.*"}, channel: "orders", typ: "x"},
		{channels: []string{"orders.*"}, channel: "ordersx.42", typ: "x"},
		{types: []string{"order.*"}, channel: "a", typ: "order.paid", want: true},
		{types: []string{"order.*"}, channel: "a", typ: "orderly.paid"},
		{types: []string{"order.paid"}, channel: "a", typ: "order.paid.late"},
		{types: []string{"*"}, channel: "a", typ: "b", want: true},
		{filter: "total", channel: "a", typ: "b", want: true},
		{filter: "absent", channel: "a", typ: "b"},
		{filter: "?", channel: "a", typ: "b", code: "filter_failed"},
		{channel: "a", typ: "b", hops: 2, want: true},
		{channel: "a", typ: "b", hops: 3, code: "too_many_hops"},
	} {
		spec := rig.HooksEndpoint()
		spec.Channels, spec.Types, spec.Filter = c.channels, c.types, c.filter
		e := endpoint.Endpoint{Channels: c.channels, Types: c.types, Filter: c.filter}
		ev := rig.OrderEvent(tenant)
		ev.Channel, ev.Type, ev.Hops = c.channel, c.typ, c.hops
		got, err := s.Matches(e, ev)
		if got != c.want || tenants.CodeOf(err) != c.code {
			t.Errorf("%+v: got %v, %v", c, got, err)
		}
	}
}

// The attack: a loop through another server's relay, with a header that hides the number of deliveries.
func TestHopsCannotBeHidden(t *testing.T) {
	for value, want := range map[string]int{"0": 0, "1": 1, "3": 3, "9": 3, "": 3, "-1": 3, "01": 3, "1 ": 3, "x": 3} {
		if got := tenants.HopsOf(map[string][]string{"Hookcast-Hops": {value}}); got != want {
			t.Errorf("%q: got %d, want %d", value, got, want)
		}
	}
	if got := tenants.HopsOf(map[string][]string{"Hookcast-Hops": {"0", "1"}}); got != tenants.MaxHops {
		t.Errorf("header twice: got %d, want %d", got, tenants.MaxHops)
	}
	if got := tenants.HopsOf(nil); got != 0 {
		t.Errorf("no header: got %d, want 0", got)
	}
}

// The attack: a loop through our own ingest, under a host name that we do not know, or through a relay that keeps
// headers.
func TestALoopThroughIngestEndsAfterThreeDeliveries(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, rig.GithubSpec)
	_, s, tenant := rig.EndpointOffice(t, false)
	e, _ := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
	ev := rig.OrderEvent(tenant)
	deliveries := 0
	for ; deliveries < 10; deliveries++ {
		if matches, err := s.Matches(e, ev); !matches {
			rig.WantError(t, err, tenants.Unprocessable, "too_many_hops")
			break
		}
		o := rig.Ok(s.Prepare(context.Background(), e, "msg_1", ev, time.Now()))(t)
		in := rig.Github(t, token, fmt.Sprint("d-", deliveries), "push", `{"repository":{"name":"hello"}}`)
		in.Header[tenants.HeaderHops] = o.Header[tenants.HeaderHops]
		if _, err := r.Receiver.Receive(context.Background(), in); err != nil {
			t.Fatal(err)
		}
		events := r.Queued(t)
		ev = events[len(events)-1]
	}
	if deliveries != tenants.MaxHops {
		t.Errorf("the loop ended after %d deliveries, want %d", deliveries, tenants.MaxHops)
	}
	if _, err := r.Publisher.Publish(context.Background(), r.Tenant,
		intake.Publication{Channel: "a", Type: "b", Data: []byte("1"), Hops: 2}); err != nil {
		t.Fatal(err)
	}
	if events := r.Queued(t); events[len(events)-1].Hops != 2 {
		t.Errorf("a publish has %d hops, want 2", events[len(events)-1].Hops)
	}
}
