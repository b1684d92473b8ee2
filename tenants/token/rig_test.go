package token_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/token"
)

// rig is one process of a deployment, and a tenant with a signer of its own.
type rig struct {
	table    *tenantstest.Table
	vault    tenants.Vault
	accounts *account.Accounts
	keys     *account.Keys
	signers  *account.Signers
	tokens   *token.Tokens

	tenant tenants.TenantID
	signer account.APIKey
	secret string
}

type nobody struct{}

func (nobody) Send(context.Context, string, ...tenants.InboxMessage) error { return nil }

func newRig(t testing.TB) *rig {
	t.Helper()
	r := processOn(t, tenantstest.NewTable(tenantstest.Faults{}), tenantstest.NewVault())
	ctx := context.Background()
	ten, _, _, err := r.accounts.Signup(ctx, "Acme", "ops@example.com")
	if err != nil {
		t.Fatal(err)
	}
	r.tenant = ten.ID
	if r.signer, r.secret, err = r.keys.Create(ctx, ten.ID,
		account.KeySpec{Name: "backend", Role: tenants.RoleSigner}); err != nil {
		t.Fatal(err)
	}
	return r
}

func processOn(t testing.TB, table *tenantstest.Table, vault tenants.Vault) *rig {
	t.Helper()
	r := &rig{table: table, vault: vault}
	d, err := keyring.Open(context.Background(), table, vault)
	if err != nil {
		t.Fatal(err)
	}
	r.accounts = account.NewAccounts(table, account.NewNews(table, nobody{}))
	r.signers = account.NewSigners(r.accounts, vault, d)
	r.keys = account.NewKeys(r.accounts, r.signers)
	r.tokens = token.New(table, r.accounts, r.signers)
	return r
}

// reads returns the number of reads of the table.
func (r *rig) reads() int { return r.table.Count("Get") + r.table.Count("Query") }

// claims returns valid claims with changes; a nil value removes a claim.
func (r *rig) claims(changes map[string]any) map[string]any {
	c := map[string]any{
		"aud": "hookcast", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "jti": "j1",
		"sub":    "alice",
		"tenant": string(r.tenant), "roles": []string{"viewer"}, "channels": []string{"orders.*"},
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func (r *rig) header(changes map[string]any) map[string]any {
	h := map[string]any{"alg": "HS256", "typ": "JWT", "kid": r.signer.KID}
	maps.Copy(h, changes)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	return h
}

// sign creates a token as the tenant's backend would, without the library under test.
func (r *rig) sign(t *testing.T, header, claims any) string {
	t.Helper()
	return signRaw(text(t, header), text(t, claims), r.secret)
}

func text(t *testing.T, v any) string {
	t.Helper()
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func signRaw(header, claims, secret string) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	kind := tenants.Unauthenticated
	if code == "tenant_suspended" {
		kind = tenants.Forbidden
	}
	if tenants.CodeOf(err) != code || tenants.KindOf(err) != kind {
		t.Errorf("got %v, want %s", err, code)
	}
}

// newTokens returns Tokens over simulated storage, and a tenant of theirs.
func newTokens(ctx context.Context) (*token.Tokens, tenants.TenantID) {
	table, vault := tenantstest.NewTable(tenantstest.Faults{}), tenantstest.NewVault()
	d, err := keyring.Open(ctx, table, vault)
	if err != nil {
		panic(err)
	}
	accounts := account.NewAccounts(table, account.NewNews(table, nobody{}))
	tenant, _, _, err := accounts.Signup(ctx, "Acme", "ops@example.com")
	if err != nil {
		panic(err)
	}
	return token.New(table, accounts, account.NewSigners(accounts, vault, d)), tenant.ID
}
