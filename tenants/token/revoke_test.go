package token_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/token"
)

func TestRevoke(t *testing.T) {
	for name, which := range map[string]func(token.Token) token.Revocation{
		"by id":      func(x token.Token) token.Revocation { return token.Revocation{TokenID: x.ID} },
		"by itself":  func(x token.Token) token.Revocation { return token.Revocation{Raw: x.Raw} },
		"by subject": func(token.Token) token.Revocation { return token.Revocation{Subject: "alice"} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, ctx := newRig(t), context.Background()
				elsewhere := processOn(t, r.table, r.vault)
				mint := func(subject string) token.Token {
					x, err := r.tokens.Mint(ctx, r.tenant, token.Spec{Subject: subject, Channels: []string{"*"},
						TTL: 24 * time.Hour})
					if err != nil {
						t.Fatal(err)
					}
					return x
				}
				alice, bob := mint("alice"), mint("bob")
				open, err := elsewhere.tokens.Verify(ctx, alice.Raw) // a stream that remains open
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond)
				if err := r.tokens.Revoke(ctx, r.tenant, which(alice)); err != nil {
					t.Fatal(err)
				}
				_, err = r.tokens.Verify(ctx, alice.Raw)
				wantCode(t, err, "token_revoked")
				elsewhere.tokens.Forget(r.tenant) // the news of the revocation
				if revoked, err := elsewhere.tokens.Revoked(ctx, open); err != nil || !revoked {
					t.Errorf("the open stream: revoked %v, %v; want true", revoked, err)
				}
				if _, err := r.tokens.Verify(ctx, bob.Raw); err != nil {
					t.Errorf("another subject's token: got %v, want accepted", err)
				}
				time.Sleep(time.Millisecond)
				if _, err := r.tokens.Verify(ctx, mint("alice").Raw); err != nil {
					t.Errorf("a later token: got %v, want accepted", err)
				}
				// It stays revoked for the token's lifetime, even if expired rows are removed.
				time.Sleep(time.Until(alice.Expires) - time.Second)
				r.table.Sweep()
				_, err = r.tokens.Verify(ctx, alice.Raw)
				wantCode(t, err, "token_revoked")
			})
		})
	}
}

func TestRevocationReachesOthersWithinFiveSecondsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ctx := newRig(t), context.Background()
		elsewhere := processOn(t, r.table, r.vault)
		raw := r.sign(t, r.header(nil), r.claims(nil))
		for range 3 { // it reads the revocations several times
			if _, err := elsewhere.tokens.Verify(ctx, raw); err != nil {
				t.Fatal(err)
			}
			time.Sleep(6 * time.Second)
		}
		if _, err := elsewhere.tokens.Verify(ctx, raw); err != nil {
			t.Fatal(err)
		}
		if err := r.tokens.Revoke(ctx, r.tenant, token.Revocation{Raw: raw}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		_, err := elsewhere.tokens.Verify(ctx, raw)
		wantCode(t, err, "token_revoked")
	})
}

func TestRevokeWithoutJTIOrIssue(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	plain := r.sign(t, r.header(nil), r.claims(map[string]any{"jti": nil, "iat": nil}))
	other := r.sign(t, r.header(nil), r.claims(map[string]any{"jti": nil, "iat": nil, "channels": []string{"other"}}))
	if err := r.tokens.Revoke(ctx, r.tenant, token.Revocation{Raw: plain}); err != nil {
		t.Fatal(err)
	}
	_, err := r.tokens.Verify(ctx, plain)
	wantCode(t, err, "token_revoked")
	if _, err := r.tokens.Verify(ctx, other); err != nil {
		t.Error(err)
	}
	if err := r.tokens.Revoke(ctx, r.tenant, token.Revocation{Subject: "alice"}); err != nil {
		t.Fatal(err)
	}
	_, err = r.tokens.Verify(ctx, other) // it does not prove that it is newer
	wantCode(t, err, "token_revoked")
}

func TestRevokeRefuses(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	other := newRig(t)
	for name, which := range map[string]token.Revocation{
		"nothing":          {},
		"two":              {TokenID: "a", Subject: "b"},
		"bad subject":      {Subject: "a\nb"},
		"no token":         {Raw: "junk"},
		"another tenant's": {Raw: other.sign(t, other.header(nil), other.claims(nil))},
	} {
		if err := r.tokens.Revoke(ctx, r.tenant, which); tenants.KindOf(err) != tenants.Unprocessable ||
			tenants.CodeOf(err) != "invalid_revocation" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	second, _, _, err := r.accounts.Signup(ctx, "Second", "s@example.com")
	if err != nil {
		t.Fatal(err)
	}
	raw := r.sign(t, r.header(nil), r.claims(nil))
	if err := r.tokens.Revoke(ctx, second.ID, token.Revocation{Raw: raw}); tenants.CodeOf(err) != "invalid_revocation" {
		t.Errorf("another tenant's token: got %v, want invalid_revocation", err)
	}
	if err := r.tokens.Revoke(ctx, second.ID, token.Revocation{TokenID: "j1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.tokens.Verify(ctx, raw); err != nil {
		t.Errorf("revoked by another tenant: got %v, want accepted", err)
	}
}

func TestAnAPIKeyIsNeverRevoked(t *testing.T) {
	r := newRig(t)
	reads := r.reads()
	if revoked, err := r.tokens.Revoked(context.Background(),
		tenants.Principal{Tenant: r.tenant, KeyID: "key_1"}); revoked || err != nil || r.reads() != reads {
		t.Errorf("got revoked %v, %v; want false", revoked, err)
	}
}

func TestRevocationLimit(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	for n := 0; n < token.MaxRevocations; n += 100 {
		var ops []tenants.Op
		for i := range 100 {
			k := tenants.Key{Tenant: r.tenant, Kind: tenants.KindRevocations,
				Sort: tenants.DerivedID("token ", string(rune(n+i)))}
			ops = append(ops, tenants.Put(k, []byte(`{"At":"2026-01-01T00:00:00Z"}`), time.Now().Add(time.Hour),
				tenants.Anything()))
		}
		if err := r.table.Write(ctx, ops...); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.tokens.Revoke(ctx, r.tenant, token.Revocation{TokenID: "one more"}); tenants.CodeOf(err) !=
		"revocation_limit" || tenants.KindOf(err) != tenants.TooMany {
		t.Errorf("got %v, want revocation_limit", err)
	}
	if err := r.tokens.Revoke(ctx, r.tenant, token.Revocation{TokenID: string(rune(5))}); err != nil {
		t.Errorf("a repeated revocation: got %v, want accepted", err)
	}
}
