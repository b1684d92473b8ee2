package token_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/erasure"
	"github.com/hookcast/hookcast/tenants/token"
)

func TestMintedTokenSpeaksForItsSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ctx := newRig(t), context.Background()
		made, err := r.tokens.Mint(ctx, r.tenant,
			token.Spec{Subject: "auth0|älice", Channels: []string{"orders.*", "news"}, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.tokens.Verify(ctx, made.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if p.Tenant != r.tenant || p.Subject != "auth0|älice" || p.TokenID != made.ID || p.KeyID != "" || p.Operator ||
			!slices.Equal(p.Roles, []string{"viewer"}) || !slices.Equal(p.Channels, []string{"orders.*", "news"}) ||
			!p.Expires.Equal(made.Expires) {
			t.Errorf("got %+v", p)
		}
		time.Sleep(time.Until(made.Expires) - time.Millisecond)
		if _, err := r.tokens.Verify(ctx, made.Raw); err != nil {
			t.Errorf("before it expires: got %v, want accepted", err)
		}
		time.Sleep(time.Millisecond)
		_, err = r.tokens.Verify(ctx, made.Raw)
		wantCode(t, err, "token_expired")
	})
}

func TestMintRefuses(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	good := token.Spec{Subject: "alice", Roles: []string{"viewer"}, Channels: []string{"orders"}, TTL: time.Hour}
	many := slices.Repeat([]string{"a"}, 51)
	for name, c := range map[string]struct {
		pointer string
		change  func(*token.Spec)
	}{
		"no subject":       {"/subject", func(s *token.Spec) { s.Subject = "" }},
		"subject with CR":  {"/subject", func(s *token.Spec) { s.Subject = "a\rb" }},
		"subject too long": {"/subject", func(s *token.Spec) { s.Subject = strings.Repeat("a", 256) }},
		"owner":            {"/roles", func(s *token.Spec) { s.Roles = []string{"viewer", "owner"} }},
		"admin":            {"/roles", func(s *token.Spec) { s.Roles = []string{"admin"} }},
		"operator":         {"/roles", func(s *token.Spec) { s.Roles = []string{"operator"} }},
		"role with comma":  {"/roles", func(s *token.Spec) { s.Roles = []string{"a,admin"} }},
		"no channels":      {"/channels", func(s *token.Spec) { s.Channels = nil }},
		"51 channels":      {"/channels", func(s *token.Spec) { s.Channels = many }},
		"bad pattern":      {"/channels", func(s *token.Spec) { s.Channels = []string{"or*"} }},
		"traversal":        {"/channels", func(s *token.Spec) { s.Channels = []string{"a/../b"} }},
		"lives too long":   {"/ttl_seconds", func(s *token.Spec) { s.TTL = 24*time.Hour + time.Second }},
		"lives not at all": {"/ttl_seconds", func(s *token.Spec) { s.TTL = 0 }},
		"longer than 4096 B": {"/channels", func(s *token.Spec) {
			s.Channels = slices.Repeat([]string{strings.Repeat("a", 60) + "." + strings.Repeat("b", 60)}, 50)
		}},
	} {
		spec := good
		c.change(&spec)
		_, err := r.tokens.Mint(ctx, r.tenant, spec)
		e, ok := err.(*tenants.Error)
		if !ok || e.Kind != tenants.Unprocessable || e.Code != "invalid_token" || len(e.Fields) != 1 ||
			e.Fields[0].Pointer != c.pointer {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := r.tokens.Mint(ctx, r.tenant, good); err != nil {
		t.Error(err)
	}
	_, err := r.tokens.Mint(ctx, "ten_00000000000000000000000000", good)
	if tenants.KindOf(err) != tenants.NotFound {
		t.Errorf("without a tenant: got %v, want an error", err)
	}
}

func TestTokenOfTheTenantsBackend(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	for name, c := range map[string]struct{ header, claims map[string]any }{
		"whole":         {},
		"without typ":   {header: map[string]any{"typ": nil}},
		"without roles": {claims: map[string]any{"roles": nil}},
		"without iat":   {claims: map[string]any{"iat": nil}},
		"without jti":   {claims: map[string]any{"jti": nil}},
		"with nbf":      {claims: map[string]any{"nbf": time.Now().Unix()}},
		"more claims": {claims: map[string]any{"email": "a@b.example",
			"nested": map[string]any{"sub": "x", "deep": []any{map[string]any{"sub": "y"}}}}},
		"slow clock": {claims: map[string]any{"iat": time.Now().Add(59 * time.Second).Unix(),
			"nbf": time.Now().Add(59 * time.Second).Unix()}},
		"fraction": {claims: map[string]any{"exp": float64(time.Now().Add(time.Hour).UnixMilli()) / 1000}},
		"key brought too": {header: map[string]any{"jwk": map[string]any{"kty": "oct", "k": "AAAA"},
			"jku": "https://evil.example/k", "x5u": "https://evil.example/x", "x5c": []string{"MIIB"}}},
		"own role": {claims: map[string]any{"roles": []string{"editor", "publisher"}}},
	} {
		p, err := r.tokens.Verify(ctx, r.sign(t, r.header(c.header), r.claims(c.claims)))
		if err != nil || p.Subject != "alice" || p.Tenant != r.tenant || p.TokenID == "" || len(p.Roles) == 0 {
			t.Errorf("%s: got %+v, %v", name, p, err)
		}
	}
}

func TestSuspendedTenantsTokensDoNotCount(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	raw := r.sign(t, r.header(nil), r.claims(nil))
	if _, err := r.tokens.Verify(ctx, raw); err != nil {
		t.Fatal(err)
	}
	if _, err := r.accounts.Suspend(ctx, r.tenant); err != nil {
		t.Fatal(err)
	}
	_, err := r.tokens.Verify(ctx, raw)
	wantCode(t, err, "tenant_suspended")
	if err := erasure.NewErasure(r.table, r.accounts).Delete(ctx, r.tenant); err != nil {
		t.Fatal(err)
	}
	_, err = r.tokens.Verify(ctx, raw)
	wantCode(t, err, "token_unknown_key")
}

func TestDeletedSignersTokensDoNotCount(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	raw := r.sign(t, r.header(nil), r.claims(nil))
	open, err := r.tokens.Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if revoked, err := r.tokens.Revoked(ctx, open); err != nil || revoked {
		t.Fatalf("while the signer exists: revoked %v, %v; want false", revoked, err)
	}
	if err := r.keys.Delete(ctx, r.tenant, r.signer.ID); err != nil {
		t.Fatal(err)
	}
	if revoked, err := r.tokens.Revoked(ctx, open); err != nil || !revoked {
		t.Errorf("an open stream: revoked %v, %v; want true", revoked, err)
	}
	_, err = r.tokens.Verify(ctx, raw)
	wantCode(t, err, "token_unknown_key")
}

func TestEndsFollowsASignerThatIsRotatedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ctx := newRig(t), context.Background()
		open, err := r.tokens.Verify(ctx, r.sign(t, r.header(nil), r.claims(nil)))
		if err != nil {
			t.Fatal(err)
		}
		if at, err := r.tokens.Ends(ctx, open); err != nil || !at.IsZero() {
			t.Errorf("before the rotation: got %v, %v", at, err)
		}
		if _, _, err := r.keys.Rotate(ctx, r.tenant, r.signer.ID, time.Minute); err != nil {
			t.Fatal(err)
		}
		if at, err := r.tokens.Ends(ctx, open); err != nil || at.IsZero() || time.Until(at) > time.Minute {
			t.Errorf("after the rotation: got %v, %v", at, err)
		}
		time.Sleep(time.Minute)
		_, err = r.tokens.Ends(ctx, open)
		wantCode(t, err, "token_unknown_key")
	})
}

func TestTokensEndWithTheirRotatedSigner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ctx := newRig(t), context.Background()
		raw := r.sign(t, r.header(nil), r.claims(nil))
		if _, _, err := r.keys.Rotate(ctx, r.tenant, r.signer.ID, time.Minute); err != nil {
			t.Fatal(err)
		}
		p, err := r.tokens.Verify(ctx, raw)
		if err != nil || time.Until(p.Expires) > time.Minute {
			t.Fatalf("expires in %v, %v", time.Until(p.Expires), err)
		}
		time.Sleep(time.Minute)
		_, err = r.tokens.Verify(ctx, raw)
		wantCode(t, err, "token_unknown_key")
	})
}

func BenchmarkVerify(b *testing.B) {
	r, ctx := newRig(b), context.Background()
	made, err := r.tokens.Mint(ctx, r.tenant,
		token.Spec{Subject: "alice", Channels: []string{"orders"}, TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.tokens.Verify(ctx, made.Raw); err != nil {
			b.Fatal(err)
		}
	}
}
