package tenants_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

func TestEndpointIsStoredWithoutItsSecrets(t *testing.T) {
	o, s, tenant := endpointOffice(t, false)
	e, key := mustCreate(t, s, tenant, hooksEndpoint())
	if e.State != tenants.EndpointEnabled || !strings.HasPrefix(key.Secret, "whsec_") || key.PublicKey != "" {
		t.Errorf("got %+v", e)
	}
	rows := ok(o.table.Query(context.Background(), tenants.Range{Tenant: tenant, Kind: "list/endpoints", Limit: 10}))(t)
	if len(rows) != 1 || strings.Contains(string(rows[0].Body), key.Secret) || strings.Contains(string(rows[0].Body), "of-the-tenant") {
		t.Errorf("stored: %s", rows[0].Body)
	}
	all := ok(s.All(context.Background(), tenant))(t)
	if len(all) != 1 || all[0].ID != e.ID || all[0].HeaderNames[0] != "Authorization" {
		t.Errorf("listed: %+v", all)
	}
	if keys := ok(s.Keys(context.Background(), e))(t); len(keys) != 1 || keys[0].Secret != key.Secret {
		t.Error("the secret cannot be shown again")
	}
}

func TestEndpointRefuses(t *testing.T) {
	o, s, tenant := endpointOffice(t, false)
	writes := o.table.Count("Write")
	many := make([]string, 51)
	for i := range many {
		many[i] = fmt.Sprintf("c%d", i)
	}
	for _, c := range []struct {
		code   string
		change func(*tenants.EndpointSpec)
	}{
		{"invalid_name", func(s *tenants.EndpointSpec) { s.Name = "" }},
		{"invalid_url", func(s *tenants.EndpointSpec) { s.URL = "http://example.com" }},
		{"invalid_channel", func(s *tenants.EndpointSpec) { s.Channels = []string{"Orders"} }},
		{"invalid_channel", func(s *tenants.EndpointSpec) { s.Channels = []string{"a", "a"} }},
		{"invalid_channel", func(s *tenants.EndpointSpec) { s.Channels = many }},
		{"invalid_type", func(s *tenants.EndpointSpec) { s.Types = []string{"a b"} }},
		{"invalid_type", func(s *tenants.EndpointSpec) { s.Types = []string{""} }},
		{"invalid_type", func(s *tenants.EndpointSpec) { s.Types = []string{".*"} }},
		{"invalid_type", func(s *tenants.EndpointSpec) { s.Types = []string{"a*b"} }},
		{"invalid_filter", func(s *tenants.EndpointSpec) { s.Filter = "(" }},
		{"invalid_rate", func(s *tenants.EndpointSpec) { s.PerSecond = -1 }},
		{"invalid_rate", func(s *tenants.EndpointSpec) { s.PerSecond = 1001 }},
		{"invalid_concurrency", func(s *tenants.EndpointSpec) { s.Concurrency = 65 }},
		{"invalid_schedule", func(s *tenants.EndpointSpec) { s.Schedule = make([]time.Duration, 21) }},
		{"invalid_schedule", func(s *tenants.EndpointSpec) { s.Schedule = []time.Duration{time.Millisecond} }},
		{"invalid_schedule", func(s *tenants.EndpointSpec) { s.Schedule = []time.Duration{25 * time.Hour} }},
		{"invalid_scheme", func(s *tenants.EndpointSpec) { s.SecretScheme = "v0" }},
		{"invalid_secret", func(s *tenants.EndpointSpec) { s.Secret = " " }},
		{"invalid_secret", func(s *tenants.EndpointSpec) { s.Secret = "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }},
		{"invalid_secret", func(s *tenants.EndpointSpec) { s.Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS" }}, // unpadded
		{"invalid_secret", func(s *tenants.EndpointSpec) { s.Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n" }},
		{"invalid_secret", func(s *tenants.EndpointSpec) {
			s.SecretScheme, s.Secret = "v1a", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		}},
	} {
		spec := hooksEndpoint()
		c.change(&spec)
		_, _, err := s.Create(context.Background(), tenant, spec)
		wantError(t, err, tenants.Unprocessable, c.code)
		if strings.Contains(err.Error(), "MfKQ9r8") {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
	if o.table.Count("Write") != writes {
		t.Error("a refused endpoint was written")
	}
}

func TestEndpointLimitHoldsAgainstConcurrentCalls(t *testing.T) {
	o, s, tenant := endpointOffice(t, false)
	if _, err := o.accounts.UpdateAsOperator(context.Background(), tenant, tenants.OperatorPatch{Limits: map[string]*int64{"endpoints": new(int64(3))}}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, _, err := s.Create(context.Background(), tenant, hooksEndpoint())
			if err != nil && tenants.CodeOf(err) != "endpoint_limit" && tenants.CodeOf(err) != "changed_meanwhile" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	_, _, _ = s.Create(context.Background(), tenant, hooksEndpoint())
	_, _, _ = s.Create(context.Background(), tenant, hooksEndpoint())
	_, _, _ = s.Create(context.Background(), tenant, hooksEndpoint())
	_, _, err := s.Create(context.Background(), tenant, hooksEndpoint())
	wantError(t, err, tenants.TooMany, "endpoint_limit")
	if all := ok(s.All(context.Background(), tenant))(t); len(all) != 3 {
		t.Errorf("%d endpoints", len(all))
	}
}

// The attack: a tenant without a limit aims a thousand endpoints at one host.
func TestThousandEndpointsToOneHostEndAtAHundred(t *testing.T) {
	o, s, tenant := endpointOffice(t, false)
	if _, err := o.accounts.UpdateAsOperator(context.Background(), tenant, tenants.OperatorPatch{Plan: new("unlimited")}); err != nil {
		t.Fatal(err)
	}
	made := 0
	for i := range 1000 {
		spec := hooksEndpoint()
		spec.URL = fmt.Sprintf("https://hooks.example.com/%d", i)
		_, _, err := s.Create(context.Background(), tenant, spec)
		if err == nil {
			made++
			continue
		}
		wantError(t, err, tenants.TooMany, "endpoint_host_limit")
		if i > 120 {
			break
		}
	}
	if made != tenants.MaxEndpointsPerHost {
		t.Errorf("%d were made", made)
	}
	elsewhere := hooksEndpoint()
	elsewhere.URL = "https://other.example.com/"
	e, _ := mustCreate(t, s, tenant, elsewhere)
	_, err := s.Patch(context.Background(), tenant, e.ID, tenants.EndpointPatch{URL: new("https://HOOKS.example.com:8443/x")})
	wantError(t, err, tenants.TooMany, "endpoint_host_limit")
}

func TestEndpointOfAnotherTenantIsNotThere(t *testing.T) {
	o, s, tenant := endpointOffice(t, false)
	e, _ := mustCreate(t, s, tenant, hooksEndpoint())
	other, _, _ := o.signUp(t)
	ctx := context.Background()
	for name, err := range map[string]error{
		"get":     second(s.Get(ctx, other.ID, e.ID)),
		"patch":   second(s.Patch(ctx, other.ID, e.ID, tenants.EndpointPatch{Name: new("mine")})),
		"enable":  second(s.Enable(ctx, other.ID, e.ID)),
		"disable": second(s.Disable(ctx, other.ID, e.ID, "")),
		"delete":  s.Delete(ctx, other.ID, e.ID),
		"no id":   second(s.Get(ctx, tenant, "end_x")),
	} {
		if tenants.CodeOf(err) != "endpoint_not_found" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := s.RotateSecret(ctx, other.ID, e.ID, tenants.SecretRotation{})
	wantError(t, err, tenants.NotFound, "endpoint_not_found")
	// A row that was copied to another tenant does not open there.
	stolen := e
	stolen.Tenant = other.ID
	if _, err := s.Prepare(ctx, stolen, "msg_1", orderEvent(other.ID), time.Now()); tenants.CodeOf(err) != "unsealable" {
		t.Errorf("a copied endpoint signs: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestEndpointDeletedIsGone(t *testing.T) {
	_, s, tenant := endpointOffice(t, false)
	e, _ := mustCreate(t, s, tenant, hooksEndpoint())
	if err := s.Delete(context.Background(), tenant, e.ID); err != nil {
		t.Fatal(err)
	}
	wantError(t, second(s.Get(context.Background(), tenant, e.ID)), tenants.NotFound, "endpoint_not_found")
	wantError(t, s.Delete(context.Background(), tenant, e.ID), tenants.NotFound, "endpoint_not_found")
}

func TestDeletedTenantLeavesNoEndpointSecret(t *testing.T) {
	o, s, tenant := endpointOffice(t, false)
	mustCreate(t, s, tenant, hooksEndpoint())
	if err := o.erasure.Delete(context.Background(), tenant); err != nil {
		t.Fatal(err)
	}
	if rows := ok(o.table.Query(context.Background(), tenants.Range{Tenant: tenant, Kind: "list/endpoints", Limit: 10}))(t); len(rows) != 0 {
		t.Errorf("%d rows stay", len(rows))
	}
	_, _, err := s.Create(context.Background(), tenant, hooksEndpoint())
	wantError(t, err, tenants.NotFound, "tenant_not_found")
}

func TestEndpointStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s, tenant := endpointOffice(t, true)
		ctx := context.Background()
		e, _ := mustCreate(t, s, tenant, hooksEndpoint())
		if e.State != tenants.EndpointPending || e.Reason == "" {
			t.Fatalf("begins as %s", e.State)
		}
		if again := ok(s.Enable(ctx, tenant, e.ID))(t); again.State != tenants.EndpointPending {
			t.Errorf("enabled without proof")
		}
		wantError(t, second(s.Prove(ctx, e, "")), tenants.Unprocessable, "challenge_failed")
		wantError(t, second(s.Prove(ctx, e, strings.Repeat("0", 52))), tenants.Unprocessable, "challenge_failed")
		// The challenge is the same in every process of the deployment, and another in another.
		elsewhere := officeWith(t, o.table, o.vault).endpoints(true)
		stranger := officeOver(t, tenantstest.NewTable(tenantstest.Faults{})).endpoints(true)
		if s.Challenge(e) != elsewhere.Challenge(e) || s.Challenge(e) == stranger.Challenge(e) {
			t.Error("the challenge does not follow from the deployment")
		}
		first := s.Challenge(e)
		e = ok(s.Prove(ctx, e, first))(t)
		if e.State != tenants.EndpointEnabled || e.Reason != "" {
			t.Errorf("proven it is %s", e.State)
		}
		time.Sleep(time.Minute)
		off := ok(s.Disable(ctx, tenant, e.ID, "by hand"))(t)
		if off.State != tenants.EndpointDisabled || off.Reason != "by hand" || !off.Changed.After(e.Changed) {
			t.Errorf("disabled it is %+v", off)
		}
		time.Sleep(time.Minute)
		if e = ok(s.Enable(ctx, tenant, e.ID))(t); e.State != tenants.EndpointEnabled {
			t.Errorf("proven once, enabled again it is %s", e.State)
		}
		moved := ok(s.Patch(ctx, tenant, e.ID, tenants.EndpointPatch{URL: new("https://elsewhere.example.com/")}))(t)
		if moved.State != tenants.EndpointPending || s.Challenge(moved) == first {
			t.Errorf("at another URL it is %s", moved.State)
		}
		wantError(t, second(s.Prove(ctx, e, s.Challenge(e))), tenants.Conflict, "endpoint_changed")
		time.Sleep(time.Minute)
		back := ok(s.Patch(ctx, tenant, e.ID, tenants.EndpointPatch{URL: &e.URL}))(t)
		if back.State != tenants.EndpointEnabled {
			t.Errorf("at the proven URL again it is %s", back.State)
		}
	})
}

func TestEndpointGivenUpOnlyAsItWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, tenant := endpointOffice(t, false)
		ctx := context.Background()
		seen, _ := mustCreate(t, s, tenant, hooksEndpoint())
		ok(s.Patch(ctx, tenant, seen.ID, tenants.EndpointPatch{URL: new("https://mended.example.com/")}))(t)
		if e := ok(s.GiveUp(ctx, seen, "410"))(t); e.State != tenants.EndpointEnabled {
			t.Error("a 410 of the old URL has disabled the new one")
		}
		seen = ok(s.Get(ctx, tenant, seen.ID))(t)
		if e := ok(s.GiveUp(ctx, seen, "410"))(t); e.State != tenants.EndpointDisabled || e.Reason != "410" {
			t.Errorf("got %s %q", e.State, e.Reason)
		}
	})
}

func TestEndpointMatches(t *testing.T) {
	_, s, tenant := endpointOffice(t, false)
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
		spec := hooksEndpoint()
		spec.Channels, spec.Types, spec.Filter = c.channels, c.types, c.filter
		e := tenants.Endpoint{Channels: c.channels, Types: c.types, Filter: c.filter}
		ev := orderEvent(tenant)
		ev.Channel, ev.Type, ev.Hops = c.channel, c.typ, c.hops
		got, err := s.Matches(e, ev)
		if got != c.want || tenants.CodeOf(err) != c.code {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}

// The attack: a loop through somebody's relay, with a header that hides how long it has gone on.
func TestHopsCannotBeHidden(t *testing.T) {
	for value, want := range map[string]int{"0": 0, "1": 1, "3": 3, "9": 3, "": 3, "-1": 3, "01": 3, "1 ": 3, "x": 3} {
		if got := tenants.HopsOf(map[string][]string{"Hookcast-Hops": {value}}); got != want {
			t.Errorf("%q: %d", value, got)
		}
	}
	if got := tenants.HopsOf(map[string][]string{"Hookcast-Hops": {"0", "1"}}); got != tenants.MaxHops {
		t.Errorf("twice: %d", got)
	}
	if got := tenants.HopsOf(nil); got != 0 {
		t.Errorf("without: %d", got)
	}
}

// The attack: a loop through our own ingest, by a name that is not known as ours, or through a relay that keeps headers.
func TestALoopThroughIngestEndsAfterThreeDeliveries(t *testing.T) {
	r := newIntakeRig(t)
	_, token := r.source(t, githubSpec)
	_, s, tenant := endpointOffice(t, false)
	e, _ := mustCreate(t, s, tenant, hooksEndpoint())
	ev := orderEvent(tenant)
	deliveries := 0
	for ; deliveries < 10; deliveries++ {
		if matches, err := s.Matches(e, ev); !matches {
			wantError(t, err, tenants.Unprocessable, "too_many_hops")
			break
		}
		o := ok(s.Prepare(context.Background(), e, "msg_1", ev, time.Now()))(t)
		in := github(t, token, fmt.Sprint("d-", deliveries), "push", `{"repository":{"name":"hello"}}`)
		in.Header[tenants.HeaderHops] = o.Header[tenants.HeaderHops]
		if _, err := r.receiver.Receive(context.Background(), in); err != nil {
			t.Fatal(err)
		}
		events := r.queued(t)
		ev = events[len(events)-1]
	}
	if deliveries != tenants.MaxHops {
		t.Errorf("it went round %d times", deliveries)
	}
	if _, err := r.publisher.Publish(context.Background(), r.tenant, tenants.Publication{Channel: "a", Type: "b", Data: []byte("1"), Hops: 2}); err != nil {
		t.Fatal(err)
	}
	if events := r.queued(t); events[len(events)-1].Hops != 2 {
		t.Error("a publish forgets its hops")
	}
}
