package account_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestSignup(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, key, secret, err := o.Accounts.Signup(ctx, "Acme Ltd", "Ops@Example.COM")
	if err != nil {
		t.Fatal(err)
	}
	if ten.Email != "ops@example.com" || ten.Plan != tenants.DefaultPlan().Name || key.Role != tenants.RoleOwner ||
		key.Tenant != ten.ID {
		t.Errorf("signup returned %+v with key %+v", ten, key)
	}
	p := rig.Ok(o.Keys.Authenticate(ctx, secret))(t)
	if p.Tenant != ten.ID || p.KeyID != key.ID || !slices.Equal(p.Roles, []string{"owner"}) || p.Operator {
		t.Errorf("the first key authenticates as %+v, want the owner of %s", p, ten.ID)
	}
	again, _, _, err := o.Accounts.Signup(ctx, "Acme Ltd", "ops@example.com")
	if err != nil || again.ID == ten.ID {
		t.Errorf("a second signup with the same email returned %v, %v, want a new tenant", again.ID, err)
	}
}

func TestSignupRefuses(t *testing.T) {
	o := rig.NewOffice(t)
	for _, c := range []struct{ name, email, code string }{
		{"", "a@b.example", "invalid_name"},
		{" Acme", "a@b.example", "invalid_name"},
		{"Acme\n", "a@b.example", "invalid_name"},
		{"A\x00cme", "a@b.example", "invalid_name"},
		{"Ac\u202eme", "a@b.example", "invalid_name"}, // right-to-left override
		{"Ac\u200bme", "a@b.example", "invalid_name"}, // zero width
		{"Ac\xffme", "a@b.example", "invalid_name"},
		{strings.Repeat("é", 101), "a@b.example", "invalid_name"},
		{"Acme", "", "invalid_email"},
		{"Acme", "a@b.example\r\nBcc: c@d.example", "invalid_email"},
		{"Acme", "A <a@b.example>", "invalid_email"},
		{"Acme", "a@b.example, c@d.example", "invalid_email"},
		{"Acme", "аdmin@b.example", "invalid_email"}, // Cyrillic
		{"Acme", strings.Repeat("a", 250) + "@b.example", "invalid_email"},
	} {
		_, _, _, err := o.Accounts.Signup(context.Background(), c.name, c.email)
		rig.WantError(t, err, tenants.Unprocessable, c.code)
	}
	if n := o.Table.Count("Write"); n != 1 { // one for the deployment
		t.Errorf("refused signups made %d writes, want 0", n-1)
	}
	if list, _, err := o.Accounts.List(context.Background(), "", 100); err != nil || len(list) != 0 {
		t.Errorf("refused signups left %v, %v, want no tenant", list, err)
	}
}

func TestSignupIsAllOrNothing(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	o.Table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Write" })
	_, _, _, err := o.Accounts.Signup(ctx, "Acme", "ops@example.com")
	if tenants.KindOf(err) != tenants.Unavailable {
		t.Fatalf("got %v, want an error of kind Unavailable", err)
	}
	if list, _, err := o.Accounts.List(ctx, "", 100); err != nil || len(list) != 0 {
		t.Errorf("a failed signup left %v, %v, want no tenant", list, err)
	}
}

func TestLimitsFollowOverridesAndNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := rig.NewOffice(t), context.Background()
		elsewhere := rig.OfficeWith(t, o.Table, o.Vault)
		ten, _, _ := o.SignUp(t)
		plan := tenants.DefaultPlan().Limits
		for _, at := range []*rig.Office{o, elsewhere} {
			if l := rig.Ok(at.Accounts.Limits(ctx, ten.ID))(t); l != plan {
				t.Fatalf("got %+v, want %+v", l, plan)
			}
		}
		three := int64(3)
		changed := rig.Ok(o.Accounts.UpdateAsOperator(ctx, ten.ID,
			account.OperatorPatch{Limits: map[string]*int64{"connections": &three}}))(t)
		if changed.Limits().Connections != 3 || changed.Limits().Sources != plan.Sources {
			t.Fatalf("got %+v, want the plan's limits with 3 connections", changed.Limits())
		}
		if l := rig.Ok(o.Accounts.Limits(ctx, ten.ID))(t); l.Connections != 3 {
			t.Errorf("the process that made the change has %d connections, want 3", l.Connections)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		if l := rig.Ok(elsewhere.Accounts.Limits(ctx, ten.ID))(t); l.Connections != 3 {
			t.Errorf("after 5 s another process has %d connections, want 3", l.Connections)
		}
		rig.Ok(o.Accounts.UpdateAsOperator(ctx, ten.ID,
			account.OperatorPatch{Limits: map[string]*int64{"connections": nil}}))(t)
		elsewhere.Accounts.Forget(ten.ID)
		if l := rig.Ok(elsewhere.Accounts.Limits(ctx, ten.ID))(t); l != plan {
			t.Errorf("without overrides: got %+v, want %+v", l, plan)
		}
	})
}

func TestUpdateRefuses(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, _, _ := o.SignUp(t)
	minus, huge, plan, name := int64(-1), int64(1)<<60, "gold", "a\tb"
	for code, p := range map[string]account.OperatorPatch{
		"plan_unknown":   {Plan: &plan},
		"limit_unknown":  {Limits: map[string]*int64{"conections": &minus}},
		"invalid_limits": {Limits: map[string]*int64{"connections": &minus}},
		"invalid_name":   {TenantPatch: account.TenantPatch{Name: &name}},
	} {
		_, err := o.Accounts.UpdateAsOperator(ctx, ten.ID, p)
		rig.WantError(t, err, tenants.Unprocessable, code)
	}
	_, err := o.Accounts.UpdateAsOperator(ctx, ten.ID,
		account.OperatorPatch{Limits: map[string]*int64{"event_bytes": &huge}})
	rig.WantError(t, err, tenants.Unprocessable, "invalid_limits")
	for _, origin := range []string{"*", "app.example.com", "https://app.example.com/", "https://App.example.com",
		"https://u:p@a.example", "null", "https://*.example.com", "https://a.example?x"} {
		_, err := o.Accounts.Update(ctx, ten.ID, account.TenantPatch{Origins: &[]string{origin}})
		rig.WantError(t, err, tenants.Unprocessable, "invalid_origin")
	}
	good := []string{"https://app.example.com", "http://localhost:8080"}
	changed := rig.Ok(o.Accounts.Update(ctx, ten.ID, account.TenantPatch{Origins: &good}))(t)
	for origin, want := range map[string]bool{"https://app.example.com": true, "http://localhost:8080": true,
		"": true, "https://evil.example": false, "null": false} {
		if changed.AllowsOrigin(origin) != want {
			t.Errorf("origin %q: got %v, want %v", origin, !want, want)
		}
	}
}

func TestNamedLimitsRoundTrip(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, _, _ := o.SignUp(t)
	patch, want := make(map[string]*int64), make(map[string]int64)
	for i, name := range tenants.LimitNames() {
		n := int64(i + 1)
		patch[name], want[name] = &n, n
	}
	changed := rig.Ok(o.Accounts.UpdateAsOperator(ctx, ten.ID, account.OperatorPatch{Limits: patch}))(t)
	if got := changed.Limits().Named(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSuspendStopsEveryCredential(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, _, secret := o.SignUp(t)
	_, shown, err := o.Sources.Create(ctx, ten.ID, rig.GithubSource())
	if err != nil {
		t.Fatal(err)
	}
	rig.Ok(o.Keys.Authenticate(ctx, secret))(t)
	rig.Ok(o.Accounts.Suspend(ctx, ten.ID))(t)
	_, err = o.Keys.Authenticate(ctx, secret)
	rig.WantError(t, err, tenants.Forbidden, "tenant_suspended")
	_, _, err = o.Sources.ByToken(ctx, shown.Token)
	rig.WantError(t, err, tenants.Forbidden, "tenant_suspended")
	_, err = o.Accounts.Limits(ctx, ten.ID)
	rig.WantError(t, err, tenants.Forbidden, "tenant_suspended")
	rig.Ok(o.Accounts.Resume(ctx, ten.ID))(t)
	rig.Ok(o.Keys.Authenticate(ctx, secret))(t)
	if _, _, err := o.Sources.ByToken(ctx, shown.Token); err != nil {
		t.Error(err)
	}
}

func TestDeleteLeavesNothingThatAuthenticates(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, key, secret := o.SignUp(t)
	other, _, otherSecret := o.SignUp(t)
	var tokens []string
	for range 15 {
		_, shown, err := o.Sources.Create(ctx, ten.ID, rig.GithubSource())
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, shown.Token)
	}
	_, _, err := o.Keys.Create(ctx, ten.ID, account.KeySpec{Name: "backend", Role: tenants.RoleSigner})
	if err != nil {
		t.Fatal(err)
	}
	signer := rig.Ok(o.Signers.Ours(ctx, ten.ID))(t)

	// The deletion stops halfway, and a second call continues it.
	o.Table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool {
		return c.Method == "Write" && slices.ContainsFunc(c.Keys, func(k tenants.Key) bool {
			return k.Kind == "list/sources"
		})
	})
	if err := o.Erasure.Delete(ctx, ten.ID); tenants.KindOf(err) != tenants.Unavailable {
		t.Fatalf("got %v, want an error of kind Unavailable", err)
	}
	o.Signers.Forget(ten.ID)
	_, err = o.Keys.Authenticate(ctx, secret)
	rig.WantError(t, err, tenants.Unauthenticated, "invalid_api_key")
	_, _, err = o.Sources.ByToken(ctx, tokens[14])
	rig.WantError(t, err, tenants.NotFound, "source_not_found")
	_, _, err = o.Keys.Create(ctx, ten.ID, account.KeySpec{Name: "late", Role: tenants.RoleOwner})
	rig.WantError(t, err, tenants.NotFound, "tenant_not_found")
	if err := o.Erasure.Delete(ctx, ten.ID); err != nil {
		t.Fatal(err)
	}

	o.Signers.Forget(ten.ID)
	if _, err := o.Signers.Find(ctx, signer.KID); tenants.CodeOf(err) != "token_unknown_key" {
		t.Errorf("finding the signer: got %v, want token_unknown_key", err)
	}
	for _, kind := range []tenants.Kind{"list/keys", "list/sources", "list/signing", "list/revocations"} {
		rows := rig.Ok(o.Table.Query(ctx, tenants.Range{Tenant: ten.ID, Kind: kind, Limit: 100}))(t)
		if len(rows) != 0 {
			t.Errorf("%d rows of %s are left, want 0", len(rows), kind)
		}
	}
	lookups := []tenants.Key{{Tenant: tenants.System, Kind: "key", Sort: key.Hash}}
	for _, token := range tokens {
		sum := sha256.Sum256([]byte(token))
		lookups = append(lookups, tenants.Key{Tenant: tenants.System, Kind: "source", Sort: hex.EncodeToString(sum[:])})
	}
	for _, k := range lookups {
		if _, err := o.Table.Get(ctx, k); tenants.KindOf(err) != tenants.NotFound {
			t.Errorf("getting the lookup row %s: got %v, want an error of kind NotFound", k.Kind, err)
		}
	}
	rig.WantError(t, o.Erasure.Delete(ctx, ten.ID), tenants.NotFound, "tenant_not_found")
	list, _, err := o.Accounts.List(ctx, "", 100)
	if err != nil || len(list) != 1 || list[0].ID != other.ID {
		t.Errorf("listed %v, %v, want only %s", list, err, other.ID)
	}
	rig.Ok(o.Keys.Authenticate(ctx, otherSecret))(t)
}

// A key that is created while its tenant is being deleted is refused or deleted with it.
func TestDeleteIsNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := rig.NewOffice(t), context.Background()
		ten, _, _ := o.SignUp(t)
		ice := o.Table.Freeze(tenantstest.BeforeActing, func(c tenantstest.Call) bool {
			return c.Caller == "late" && c.Method == "Write"
		})
		var secret string
		var err error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, secret, err = o.Keys.Create(tenantstest.WithCaller(ctx, "late"), ten.ID,
				account.KeySpec{Name: "late", Role: tenants.RoleOwner})
		})
		<-ice.Reached()
		if err := o.Erasure.Delete(ctx, ten.ID); err != nil {
			t.Fatal(err)
		}
		ice.Thaw()
		wg.Wait()
		rig.WantError(t, err, tenants.NotFound, "tenant_not_found")
		rows := rig.Ok(o.Table.Query(ctx, tenants.Range{Tenant: ten.ID, Kind: "list/keys", Limit: 10}))(t)
		if len(rows) != 0 || secret != "" {
			t.Errorf("%d keys are left, want 0", len(rows))
		}
	})
}

func TestTenantsAreListedInPages(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	made := make(map[tenants.TenantID]bool)
	for range 7 {
		ten, _, _ := o.SignUp(t)
		made[ten.ID] = true
	}
	after, pages := "", 0
	for {
		list, next, err := o.Accounts.List(ctx, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, ten := range list {
			if !made[ten.ID] {
				t.Errorf("%s is listed twice or was never created", ten.ID)
			}
			delete(made, ten.ID)
		}
		if pages++; next == "" {
			break
		}
		after = next
	}
	if len(made) != 0 || pages != 3 {
		t.Errorf("%d tenants are missing after %d pages, want 0 after 3", len(made), pages)
	}
}

func TestUnknownTenants(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	for _, id := range []tenants.TenantID{"", "sys", "ten_", "ten_*", "TEN_00000000000000000000000000",
		"ten_00000000000000000000000000", "../sys"} {
		_, err := o.Accounts.Get(ctx, id)
		rig.WantError(t, err, tenants.NotFound, "tenant_not_found")
		_, err = o.Accounts.Active(ctx, id)
		rig.WantError(t, err, tenants.NotFound, "tenant_not_found")
		rig.WantError(t, o.Erasure.Delete(ctx, id), tenants.NotFound, "tenant_not_found")
	}
}

func TestEveryLiveNodeHearsOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := rig.NewOffice(t), context.Background()
		ten, _, _ := o.SignUp(t)
		lease := func(node string, d time.Duration) tenants.Op {
			return tenants.Put(tenants.Key{Tenant: tenants.System, Kind: "list/nodes", Sort: node}, []byte("{}"),
				time.Now().Add(d), tenants.Anything())
		}
		if err := o.Table.Write(ctx, lease("nod_a", time.Minute), lease("nod_b", time.Minute),
			lease("nod_gone", time.Minute), lease("nod_late", time.Second)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		before := rig.Ok(o.News.Version(ctx, ten.ID))(t)
		rig.Ok(o.Accounts.Suspend(ctx, ten.ID))(t)
		if o.Told.Count("nod_a") != 1 || o.Told.Count("nod_b") != 1 || o.Told.Count("nod_late") != 0 {
			t.Errorf("notified %v, want nod_a and nod_b once each", o.Told.Nodes)
		}
		if err := o.News.Tell(ctx, ten.ID); err != nil {
			t.Fatal(err)
		}
		if after := rig.Ok(o.Accounts.Version(ctx, ten.ID))(t); o.Told.Count("nod_a") != 2 || after < before+2 {
			t.Errorf("notified nod_a %d times, want 2; the version went from %d to %d", o.Told.Count("nod_a"),
				before, after)
		}
	})
}

// Concurrent changes of one tenant all take effect, one after the other.
func TestChangesAreSerial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := tenantstest.NewTable(tenantstest.Faults{Seed: 7, Latency: time.Millisecond})
		o, ctx := rig.OfficeOver(t, table), context.Background()
		ten, _, _ := o.SignUp(t)
		var wg sync.WaitGroup
		for i, name := range tenants.LimitNames() {
			wg.Go(func() {
				n := int64(i + 1)
				if _, err := o.Accounts.UpdateAsOperator(ctx, ten.ID,
					account.OperatorPatch{Limits: map[string]*int64{name: &n}}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got := rig.Ok(o.Accounts.Get(ctx, ten.ID))(t)
		if len(got.Overrides) != len(tenants.LimitNames()) {
			t.Errorf("got %d changes, want %d", len(got.Overrides), len(tenants.LimitNames()))
		}
	})
}
