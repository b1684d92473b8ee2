package account_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

func TestKeyFormat(t *testing.T) {
	o := rig.NewOffice(t)
	_, key, secret := o.SignUp(t)
	want := "hk_live_" + strings.TrimPrefix(key.ID, tenants.PrefixKey) + "_"
	if len(secret) != 84 || !strings.HasPrefix(secret, want) {
		t.Fatalf("got a key of %d characters that begins with %q, want 84 and %q", len(secret), secret[:35], want)
	}
	reads := o.Table.Count("Get")
	for i := range secret {
		b := []byte(secret)
		b[i] = map[bool]byte{true: 'A', false: 'B'}[b[i] != 'A']
		_, err := o.Keys.Authenticate(context.Background(), string(b))
		rig.WantError(t, err, tenants.Unauthenticated, "api_key_malformed")
	}
	for _, text := range []string{"", "hk_live_", secret[:83], secret + "0", strings.ToUpper(secret),
		strings.ToLower(secret), " " + secret, strings.Repeat("x", 1<<20)} {
		_, err := o.Keys.Authenticate(context.Background(), text)
		rig.WantError(t, err, tenants.Unauthenticated, "api_key_malformed")
	}
	if n := o.Table.Count("Get") - reads; n != 0 {
		t.Errorf("malformed keys cost %d reads, want 0", n)
	}
	if !account.IsKey(secret) || !account.IsKey(secret[:20]) || account.IsKey("whsec_abc") {
		t.Error("IsKey is false for a key or its beginning, or true for a webhook secret")
	}
}

// The format is part of the API: a key stays valid in every later version.
func TestKeyFormatIsStable(t *testing.T) {
	if err := account.CheckKeyFormat(
		"hk_live_01jd8y3v3x5m1c9k2q7r4t6w8z_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg0ZnMjZ"); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheHashOfAKeyIsStored(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, key, secret := o.SignUp(t)
	random := secret[35:78]
	for _, k := range []tenants.Key{{Tenant: ten.ID, Kind: "list/keys", Sort: key.ID},
		{Tenant: tenants.System, Kind: "key", Sort: key.Hash}} {
		if row := rig.Ok(o.Table.Get(ctx, k))(t); strings.Contains(string(row.Body), random) {
			t.Errorf("the row %s contains the key", k.Kind)
		}
	}
	if b, err := hex.DecodeString(key.Hash); err != nil || len(b) != 32 {
		t.Errorf("got hash %q, want 32 bytes in hexadecimal", key.Hash)
	}
}

func TestKeyRoles(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, _, _ := o.SignUp(t)
	for _, role := range []string{"owner", "admin", "publisher", "viewer"} {
		key, secret, err := o.Keys.Create(ctx, ten.ID, account.KeySpec{Name: role, Role: role})
		if err != nil {
			t.Fatal(err)
		}
		p := rig.Ok(o.Keys.Authenticate(ctx, secret))(t)
		if !slices.Equal(p.Roles, []string{role}) || p.KeyID != key.ID || p.Operator {
			t.Errorf("a key with role %s authenticates as %+v", role, p)
		}
	}
	for _, role := range []string{"", "operator", "Owner", "root", "*"} {
		_, _, err := o.Keys.Create(ctx, ten.ID, account.KeySpec{Name: "x", Role: role})
		rig.WantError(t, err, tenants.Unprocessable, "role_unknown")
	}
}

func TestKeyRotatesWithOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := rig.NewOffice(t), context.Background()
		ten, first, old := o.SignUp(t)
		works := func(secret string, want bool) {
			t.Helper()
			if _, err := o.Keys.Authenticate(ctx, secret); (err == nil) != want {
				t.Errorf("got %v, want it to authenticate: %v", err, want)
			}
		}
		works(old, true)
		made, fresh, err := o.Keys.Rotate(ctx, ten.ID, first.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if made.Role != first.Role || made.Name != first.Name || made.ID == first.ID {
			t.Errorf("got %+v, want another key with the role and name of %+v", made, first)
		}
		works(old, true)
		works(fresh, true)
		_, _, err = o.Keys.Rotate(ctx, ten.ID, first.ID, time.Hour)
		rig.WantError(t, err, tenants.Conflict, "key_rotated")
		time.Sleep(time.Hour - 2*time.Second)
		works(old, true)
		time.Sleep(2 * time.Second) // the key is cached, and expired nevertheless
		works(old, false)
		works(fresh, true)
		if list, _, err := o.Keys.List(ctx, ten.ID, "", 10); err != nil || len(list) != 1 {
			t.Errorf("listed %v, %v, want one key", list, err)
		}
		_, last, err := o.Keys.Rotate(ctx, ten.ID, made.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		works(fresh, false)
		works(last, true)
		_, _, err = o.Keys.Rotate(ctx, ten.ID, made.ID, 0)
		rig.WantError(t, err, tenants.NotFound, "key_not_found")
		for _, overlap := range []time.Duration{-time.Second, 7*24*time.Hour + 1} {
			_, _, err = o.Keys.Rotate(ctx, ten.ID, made.ID, overlap)
			rig.WantError(t, err, tenants.Unprocessable, "invalid_overlap")
		}
	})
}

func TestTheLastOwnerKeyStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := rig.OfficeOver(t, tenantstest.NewTable(tenantstest.Faults{Seed: 5, Latency: 3 * time.Millisecond})),
			context.Background()
		ten, first, _ := o.SignUp(t)
		if _, _, err := o.Keys.Create(ctx, ten.ID,
			account.KeySpec{Name: "admin", Role: tenants.RoleAdmin}); err != nil {
			t.Fatal(err)
		}
		rig.WantError(t, o.Keys.Delete(ctx, ten.ID, first.ID), tenants.Conflict, "last_owner_key")
		owners := []string{first.ID}
		for range 3 {
			key, _, err := o.Keys.Create(ctx, ten.ID, account.KeySpec{Name: "owner", Role: tenants.RoleOwner})
			if err != nil {
				t.Fatal(err)
			}
			owners = append(owners, key.ID)
		}
		var wg sync.WaitGroup
		for _, id := range owners { // all at once
			wg.Go(func() { _ = o.Keys.Delete(ctx, ten.ID, id) })
		}
		wg.Wait()
		list, _, err := o.Keys.List(ctx, ten.ID, "", 100)
		left := len(slices.DeleteFunc(list, func(k account.APIKey) bool { return k.Role != tenants.RoleOwner }))
		if err != nil || left < 1 {
			t.Errorf("%d owner keys are left (%v), want 1", left, err)
		}
		// A key that will expire does not count.
		other, _, err := o.Keys.Create(ctx, ten.ID, account.KeySpec{Name: "other", Role: tenants.RoleOwner})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := o.Keys.Rotate(ctx, ten.ID, other.ID, time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := o.Keys.Delete(ctx, ten.ID, other.ID); err != nil {
			t.Errorf("deleting an expiring owner key: got %v, want no error", err)
		}
		second, old, _ := o.SignUp(t)
		made, _, err := o.Keys.Rotate(ctx, second.ID, old.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		rig.WantError(t, o.Keys.Delete(ctx, second.ID, made.ID), tenants.Conflict, "last_owner_key")
	})
}

func TestDeletedKeyStopsWithinFiveSecondsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := rig.NewOffice(t), context.Background()
		elsewhere := rig.OfficeWith(t, o.Table, o.Vault)
		ten, _, _ := o.SignUp(t)
		key, secret, err := o.Keys.Create(ctx, ten.ID, account.KeySpec{Name: "x", Role: tenants.RoleViewer})
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []*rig.Office{o, elsewhere} {
			rig.Ok(at.Keys.Authenticate(ctx, secret))(t)
		}
		if err := o.Keys.Delete(ctx, ten.ID, key.ID); err != nil {
			t.Fatal(err)
		}
		_, err = o.Keys.Authenticate(ctx, secret)
		rig.WantError(t, err, tenants.Unauthenticated, "invalid_api_key")
		time.Sleep(5*time.Second + time.Millisecond)
		_, err = elsewhere.Keys.Authenticate(ctx, secret)
		rig.WantError(t, err, tenants.Unauthenticated, "invalid_api_key")
	})
}

func TestAuthenticateReadsOncePerFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := rig.NewOffice(t), context.Background()
		_, _, secret := o.SignUp(t)
		reads := o.Table.Count("Get")
		for range 1000 {
			rig.Ok(o.Keys.Authenticate(ctx, secret))(t)
		}
		if n := o.Table.Count("Get") - reads; n != 2 { // the key and the tenant
			t.Errorf("1,000 calls cost %d reads, want 2", n)
		}
		time.Sleep(6 * time.Second)
		rig.Ok(o.Keys.Authenticate(ctx, secret))(t)
		if n := o.Table.Count("Get") - reads; n != 4 {
			t.Errorf("%d reads after 6 s, want 4", n)
		}
	})
}

func TestLiveKeysCostOneReadForManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := rig.NewOffice(t), context.Background()
		ten, key, _ := o.SignUp(t)
		reads := o.Table.Count("Get")
		for range 1000 {
			rig.Ok(o.Keys.Live(ctx, ten.ID, key.ID))(t)
		}
		if n := o.Table.Count("Get") - reads; n != 1 {
			t.Errorf("1,000 calls cost %d reads, want 1", n)
		}
		if _, _, err := o.Keys.Rotate(ctx, ten.ID, key.ID, 3*time.Second); err != nil {
			t.Fatal(err)
		}
		rig.Ok(o.Keys.Live(ctx, ten.ID, key.ID))(t)
		time.Sleep(3 * time.Second)
		_, err := o.Keys.Live(ctx, ten.ID, key.ID)
		rig.WantError(t, err, tenants.NotFound, "key_not_found")
	})
}

func TestOneTenantsKeysAreNotAnothers(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	_, key, secret := o.SignUp(t)
	b, _, _ := o.SignUp(t)
	rig.WantError(t, o.Keys.Delete(ctx, b.ID, key.ID), tenants.NotFound, "key_not_found")
	_, _, err := o.Keys.Rotate(ctx, b.ID, key.ID, 0)
	rig.WantError(t, err, tenants.NotFound, "key_not_found")
	_, err = o.Keys.Get(ctx, b.ID, key.ID)
	rig.WantError(t, err, tenants.NotFound, "key_not_found")
	_, err = o.Keys.Get(ctx, b.ID, "../"+key.ID)
	rig.WantError(t, err, tenants.NotFound, "key_not_found")
	rig.Ok(o.Keys.Authenticate(ctx, secret))(t)
}

func TestKeyLimit(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, _, _ := o.SignUp(t)
	for range account.MaxKeys - 1 {
		if _, _, err := o.Keys.Create(ctx, ten.ID, account.KeySpec{Name: "x", Role: tenants.RoleViewer}); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := o.Keys.Create(ctx, ten.ID, account.KeySpec{Name: "x", Role: tenants.RoleViewer})
	rig.WantError(t, err, tenants.TooMany, "key_limit")
}

func TestOperatorKey(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	_, _, secret := o.SignUp(t)
	first, second := account.NewOperatorKey(), account.NewOperatorKey()
	for range 2 {
		if err := o.Keys.EnsureOperator(ctx, first); err != nil {
			t.Fatal(err)
		}
	}
	if p := rig.Ok(o.Keys.Authenticate(ctx, first))(t); !p.Operator || p.Tenant != tenants.System {
		t.Errorf("the operator key authenticates as %+v, want the operator", p)
	}
	if err := o.Keys.EnsureOperator(ctx, second); err != nil {
		t.Fatal(err)
	}
	rig.Ok(o.Keys.Authenticate(ctx, second))(t)
	_, err := o.Keys.Authenticate(ctx, first)
	rig.WantError(t, err, tenants.Unauthenticated, "invalid_api_key")
	rig.WantError(t, o.Keys.EnsureOperator(ctx, secret), tenants.Invalid, "invalid_operator_key")
	rig.WantError(t, o.Keys.EnsureOperator(ctx, "letmein"), tenants.Unauthenticated, "api_key_malformed")

	third := account.NewOperatorKey()
	sum := sha256.Sum256([]byte(third))
	for range 2 {
		if err := o.Keys.EnsureOperatorHash(ctx, hex.EncodeToString(sum[:])); err != nil {
			t.Fatal(err)
		}
	}
	if p := rig.Ok(o.Keys.Authenticate(ctx, third))(t); !p.Operator {
		t.Errorf("the operator key set by its hash authenticates as %+v, want the operator", p)
	}
	_, err = o.Keys.Authenticate(ctx, second)
	rig.WantError(t, err, tenants.Unauthenticated, "invalid_api_key")
	for _, hash := range []string{"", third, strings.ToUpper(hex.EncodeToString(sum[:])),
		hex.EncodeToString(sum[:31])} {
		rig.WantError(t, o.Keys.EnsureOperatorHash(ctx, hash), tenants.Invalid, "invalid_operator_key")
	}
}

func TestSignerKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := rig.NewOffice(t), context.Background()
		ten, _, _ := o.SignUp(t)
		key, secret, err := o.Keys.Create(ctx, ten.ID, account.KeySpec{Name: "backend", Role: tenants.RoleSigner})
		if err != nil {
			t.Fatal(err)
		}
		found := rig.Ok(o.Signers.Find(ctx, key.KID))(t)
		if string(found.Key) != secret || found.Tenant != ten.ID || !found.Own {
			t.Errorf("got %v, want the new key of %s", found, ten.ID)
		}
		if _, err := o.Keys.Authenticate(ctx, secret); tenants.CodeOf(err) != "api_key_malformed" {
			t.Errorf("authenticating with a signer's secret: got %v, want api_key_malformed", err)
		}
		next, fresh, err := o.Keys.Rotate(ctx, ten.ID, key.ID, time.Minute)
		if err != nil || fresh == secret || next.KID == key.KID {
			t.Fatalf("got %v, %v, want another secret and kid", next, err)
		}
		rig.Ok(o.Signers.Find(ctx, key.KID))(t)
		time.Sleep(time.Minute)
		_, err = o.Signers.Find(ctx, key.KID)
		rig.WantError(t, err, tenants.Unauthenticated, "token_unknown_key")
		rig.Ok(o.Signers.Find(ctx, next.KID))(t)
		if err := o.Keys.Delete(ctx, ten.ID, next.ID); err != nil {
			t.Fatal(err)
		}
		_, err = o.Signers.Find(ctx, next.KID)
		rig.WantError(t, err, tenants.Unauthenticated, "token_unknown_key")
	})
}

func TestOurSignerIsMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := tenantstest.NewTable(tenantstest.Faults{Seed: 11, Latency: 3 * time.Millisecond})
		o, ctx := rig.OfficeOver(t, table), context.Background()
		ten, _, _ := o.SignUp(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		keys := make(map[string]bool)
		for range 8 {
			at := rig.OfficeWith(t, table, o.Vault)
			wg.Go(func() {
				s, err := at.Signers.Ours(ctx, ten.ID)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				keys[string(s.Key)] = true
			})
		}
		wg.Wait()
		if len(keys) != 1 {
			t.Errorf("eight processes got %d keys, want 1", len(keys))
		}
	})
}
