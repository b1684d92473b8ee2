package tenants_test

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
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

func TestKeyFormat(t *testing.T) {
	o := newOffice(t)
	_, key, secret := o.signUp(t)
	if want := "hk_live_" + strings.TrimPrefix(key.ID, tenants.PrefixKey) + "_"; len(secret) != 84 || !strings.HasPrefix(secret, want) {
		t.Fatalf("a key is %d characters long and begins with %q", len(secret), secret[:35])
	}
	reads := o.table.Count("Get")
	for i := range secret {
		b := []byte(secret)
		b[i] = map[bool]byte{true: 'A', false: 'B'}[b[i] != 'A']
		_, err := o.keys.Authenticate(context.Background(), string(b))
		wantError(t, err, tenants.Unauthenticated, "api_key_malformed")
	}
	for _, text := range []string{"", "hk_live_", secret[:83], secret + "0", strings.ToUpper(secret), strings.ToLower(secret), " " + secret, strings.Repeat("x", 1<<20)} {
		_, err := o.keys.Authenticate(context.Background(), text)
		wantError(t, err, tenants.Unauthenticated, "api_key_malformed")
	}
	if n := o.table.Count("Get") - reads; n != 0 {
		t.Errorf("malformed keys cost %d reads", n)
	}
	if !tenants.IsKey(secret) || !tenants.IsKey(secret[:20]) || tenants.IsKey("whsec_abc") {
		t.Error("IsKey does not know a key when it sees one")
	}
}

// The format is part of the API: a key that was made once stays one.
func TestKeyFormatIsStable(t *testing.T) {
	if err := tenants.CheckKeyFormat("hk_live_01jd8y3v3x5m1c9k2q7r4t6w8z_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg0ZnMjZ"); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheHashOfAKeyIsStored(t *testing.T) {
	o, ctx := newOffice(t), context.Background()
	ten, key, secret := o.signUp(t)
	random := secret[35:78]
	for _, k := range []tenants.Key{{Tenant: ten.ID, Kind: "list/keys", Sort: key.ID}, {Tenant: tenants.System, Kind: "key", Sort: key.Hash}} {
		if row := ok(o.table.Get(ctx, k))(t); strings.Contains(string(row.Body), random) {
			t.Errorf("%s holds the key", k.Kind)
		}
	}
	if b, err := hex.DecodeString(key.Hash); err != nil || len(b) != 32 {
		t.Errorf("the hash is %q", key.Hash)
	}
}

func TestKeyRoles(t *testing.T) {
	o, ctx := newOffice(t), context.Background()
	ten, _, _ := o.signUp(t)
	for _, role := range []string{"owner", "admin", "publisher", "viewer"} {
		key, secret, err := o.keys.Create(ctx, ten.ID, tenants.KeySpec{Name: role, Role: role})
		if err != nil {
			t.Fatal(err)
		}
		if p := ok(o.keys.Authenticate(ctx, secret))(t); !slices.Equal(p.Roles, []string{role}) || p.KeyID != key.ID || p.Operator {
			t.Errorf("%s speaks for %+v", role, p)
		}
	}
	for _, role := range []string{"", "operator", "Owner", "root", "*"} {
		_, _, err := o.keys.Create(ctx, ten.ID, tenants.KeySpec{Name: "x", Role: role})
		wantError(t, err, tenants.Unprocessable, "role_unknown")
	}
}

func TestKeyRotatesWithOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := newOffice(t), context.Background()
		ten, first, old := o.signUp(t)
		works := func(secret string, want bool) {
			t.Helper()
			if _, err := o.keys.Authenticate(ctx, secret); (err == nil) != want {
				t.Errorf("works: %v, want %v", err, want)
			}
		}
		works(old, true)
		made, fresh, err := o.keys.Rotate(ctx, ten.ID, first.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if made.Role != first.Role || made.Name != first.Name || made.ID == first.ID {
			t.Errorf("rotated into %+v", made)
		}
		works(old, true)
		works(fresh, true)
		_, _, err = o.keys.Rotate(ctx, ten.ID, first.ID, time.Hour)
		wantError(t, err, tenants.Conflict, "key_rotated")
		time.Sleep(time.Hour - 2*time.Second)
		works(old, true)
		time.Sleep(2 * time.Second) // its answer is in the cache, and it has expired all the same
		works(old, false)
		works(fresh, true)
		if list, _, err := o.keys.List(ctx, ten.ID, "", 10); err != nil || len(list) != 1 {
			t.Errorf("listed are %v, %v", list, err)
		}
		_, last, err := o.keys.Rotate(ctx, ten.ID, made.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		works(fresh, false)
		works(last, true)
		_, _, err = o.keys.Rotate(ctx, ten.ID, made.ID, 0)
		wantError(t, err, tenants.NotFound, "key_not_found")
		for _, overlap := range []time.Duration{-time.Second, 7*24*time.Hour + 1} {
			_, _, err = o.keys.Rotate(ctx, ten.ID, made.ID, overlap)
			wantError(t, err, tenants.Unprocessable, "invalid_overlap")
		}
	})
}

func TestTheLastOwnerKeyStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := officeOver(t, tenantstest.NewTable(tenantstest.Faults{Seed: 5, Latency: 3 * time.Millisecond})), context.Background()
		ten, first, _ := o.signUp(t)
		if _, _, err := o.keys.Create(ctx, ten.ID, tenants.KeySpec{Name: "admin", Role: tenants.RoleAdmin}); err != nil {
			t.Fatal(err)
		}
		wantError(t, o.keys.Delete(ctx, ten.ID, first.ID), tenants.Conflict, "last_owner_key")
		owners := []string{first.ID}
		for range 3 {
			key, _, err := o.keys.Create(ctx, ten.ID, tenants.KeySpec{Name: "owner", Role: tenants.RoleOwner})
			if err != nil {
				t.Fatal(err)
			}
			owners = append(owners, key.ID)
		}
		var wg sync.WaitGroup
		for _, id := range owners { // everybody deletes another one at once
			wg.Go(func() { _ = o.keys.Delete(ctx, ten.ID, id) })
		}
		wg.Wait()
		list, _, err := o.keys.List(ctx, ten.ID, "", 100)
		left := len(slices.DeleteFunc(list, func(k tenants.APIKey) bool { return k.Role != tenants.RoleOwner }))
		if err != nil || left < 1 {
			t.Errorf("%d owners are left, %v", left, err)
		}
		// One that is about to expire does not count.
		other, _, err := o.keys.Create(ctx, ten.ID, tenants.KeySpec{Name: "other", Role: tenants.RoleOwner})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := o.keys.Rotate(ctx, ten.ID, other.ID, time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := o.keys.Delete(ctx, ten.ID, other.ID); err != nil {
			t.Errorf("an expiring owner's key cannot be deleted: %v", err)
		}
		second, old, _ := o.signUp(t)
		made, _, err := o.keys.Rotate(ctx, second.ID, old.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, o.keys.Delete(ctx, second.ID, made.ID), tenants.Conflict, "last_owner_key")
	})
}

func TestDeletedKeyStopsWithinFiveSecondsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := newOffice(t), context.Background()
		elsewhere := officeWith(t, o.table, o.vault)
		ten, _, _ := o.signUp(t)
		key, secret, err := o.keys.Create(ctx, ten.ID, tenants.KeySpec{Name: "x", Role: tenants.RoleViewer})
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []*office{o, elsewhere} {
			ok(at.keys.Authenticate(ctx, secret))(t)
		}
		if err := o.keys.Delete(ctx, ten.ID, key.ID); err != nil {
			t.Fatal(err)
		}
		_, err = o.keys.Authenticate(ctx, secret)
		wantError(t, err, tenants.Unauthenticated, "invalid_api_key")
		time.Sleep(5*time.Second + time.Millisecond)
		_, err = elsewhere.keys.Authenticate(ctx, secret)
		wantError(t, err, tenants.Unauthenticated, "invalid_api_key")
	})
}

func TestAuthenticateReadsOncePerFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := newOffice(t), context.Background()
		_, _, secret := o.signUp(t)
		reads := o.table.Count("Get")
		for range 1000 {
			ok(o.keys.Authenticate(ctx, secret))(t)
		}
		if n := o.table.Count("Get") - reads; n != 2 { // the key and the tenant
			t.Errorf("1,000 calls cost %d reads", n)
		}
		time.Sleep(6 * time.Second)
		ok(o.keys.Authenticate(ctx, secret))(t)
		if n := o.table.Count("Get") - reads; n != 4 {
			t.Errorf("after 6 s there were %d reads", n)
		}
	})
}

func TestLiveKeysCostOneReadForManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := newOffice(t), context.Background()
		ten, key, _ := o.signUp(t)
		reads := o.table.Count("Get")
		for range 1000 {
			ok(o.keys.Live(ctx, ten.ID, key.ID))(t)
		}
		if n := o.table.Count("Get") - reads; n != 1 {
			t.Errorf("1,000 calls cost %d reads", n)
		}
		if _, _, err := o.keys.Rotate(ctx, ten.ID, key.ID, 3*time.Second); err != nil {
			t.Fatal(err)
		}
		ok(o.keys.Live(ctx, ten.ID, key.ID))(t)
		time.Sleep(3 * time.Second)
		_, err := o.keys.Live(ctx, ten.ID, key.ID)
		wantError(t, err, tenants.NotFound, "key_not_found")
	})
}

func TestOneTenantsKeysAreNotAnothers(t *testing.T) {
	o, ctx := newOffice(t), context.Background()
	_, key, secret := o.signUp(t)
	b, _, _ := o.signUp(t)
	wantError(t, o.keys.Delete(ctx, b.ID, key.ID), tenants.NotFound, "key_not_found")
	_, _, err := o.keys.Rotate(ctx, b.ID, key.ID, 0)
	wantError(t, err, tenants.NotFound, "key_not_found")
	_, err = o.keys.Get(ctx, b.ID, key.ID)
	wantError(t, err, tenants.NotFound, "key_not_found")
	_, err = o.keys.Get(ctx, b.ID, "../"+key.ID)
	wantError(t, err, tenants.NotFound, "key_not_found")
	ok(o.keys.Authenticate(ctx, secret))(t)
}

func TestKeyLimit(t *testing.T) {
	o, ctx := newOffice(t), context.Background()
	ten, _, _ := o.signUp(t)
	for range tenants.MaxKeys - 1 {
		if _, _, err := o.keys.Create(ctx, ten.ID, tenants.KeySpec{Name: "x", Role: tenants.RoleViewer}); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := o.keys.Create(ctx, ten.ID, tenants.KeySpec{Name: "x", Role: tenants.RoleViewer})
	wantError(t, err, tenants.TooMany, "key_limit")
}

func TestOperatorKey(t *testing.T) {
	o, ctx := newOffice(t), context.Background()
	_, _, secret := o.signUp(t)
	first, second := tenants.NewOperatorKey(), tenants.NewOperatorKey()
	for range 2 {
		if err := o.keys.EnsureOperator(ctx, first); err != nil {
			t.Fatal(err)
		}
	}
	if p := ok(o.keys.Authenticate(ctx, first))(t); !p.Operator || p.Tenant != tenants.System {
		t.Errorf("the operator is %+v", p)
	}
	if err := o.keys.EnsureOperator(ctx, second); err != nil {
		t.Fatal(err)
	}
	ok(o.keys.Authenticate(ctx, second))(t)
	_, err := o.keys.Authenticate(ctx, first)
	wantError(t, err, tenants.Unauthenticated, "invalid_api_key")
	wantError(t, o.keys.EnsureOperator(ctx, secret), tenants.Invalid, "invalid_operator_key")
	wantError(t, o.keys.EnsureOperator(ctx, "letmein"), tenants.Unauthenticated, "api_key_malformed")

	third := tenants.NewOperatorKey()
	sum := sha256.Sum256([]byte(third))
	for range 2 {
		if err := o.keys.EnsureOperatorHash(ctx, hex.EncodeToString(sum[:])); err != nil {
			t.Fatal(err)
		}
	}
	if p := ok(o.keys.Authenticate(ctx, third))(t); !p.Operator {
		t.Errorf("the operator by hash is %+v", p)
	}
	_, err = o.keys.Authenticate(ctx, second)
	wantError(t, err, tenants.Unauthenticated, "invalid_api_key")
	for _, hash := range []string{"", third, strings.ToUpper(hex.EncodeToString(sum[:])), hex.EncodeToString(sum[:31])} {
		wantError(t, o.keys.EnsureOperatorHash(ctx, hash), tenants.Invalid, "invalid_operator_key")
	}
}

func TestSignerKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := newOffice(t), context.Background()
		ten, _, _ := o.signUp(t)
		key, secret, err := o.keys.Create(ctx, ten.ID, tenants.KeySpec{Name: "backend", Role: tenants.RoleSigner})
		if err != nil {
			t.Fatal(err)
		}
		found := ok(o.signers.Find(ctx, key.KID))(t)
		if string(found.Key) != secret || found.Tenant != ten.ID || !found.Own {
			t.Errorf("found %v", found)
		}
		if _, err := o.keys.Authenticate(ctx, secret); tenants.CodeOf(err) != "api_key_malformed" {
			t.Errorf("a signer's secret authenticates: %v", err)
		}
		next, fresh, err := o.keys.Rotate(ctx, ten.ID, key.ID, time.Minute)
		if err != nil || fresh == secret || next.KID == key.KID {
			t.Fatalf("rotated into %v, %v", next, err)
		}
		ok(o.signers.Find(ctx, key.KID))(t)
		time.Sleep(time.Minute)
		_, err = o.signers.Find(ctx, key.KID)
		wantError(t, err, tenants.Unauthenticated, "token_unknown_key")
		ok(o.signers.Find(ctx, next.KID))(t)
		if err := o.keys.Delete(ctx, ten.ID, next.ID); err != nil {
			t.Fatal(err)
		}
		_, err = o.signers.Find(ctx, next.KID)
		wantError(t, err, tenants.Unauthenticated, "token_unknown_key")
	})
}

func TestOurSignerIsMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := tenantstest.NewTable(tenantstest.Faults{Seed: 11, Latency: 3 * time.Millisecond})
		o, ctx := officeOver(t, table), context.Background()
		ten, _, _ := o.signUp(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		keys := make(map[string]bool)
		for range 8 {
			at := officeWith(t, table, o.vault)
			wg.Go(func() {
				s, err := at.signers.Ours(ctx, ten.ID)
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
			t.Errorf("eight processes made %d keys", len(keys))
		}
	})
}
