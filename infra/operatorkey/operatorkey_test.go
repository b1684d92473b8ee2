package operatorkey_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/infra/operatorkey"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// A deployment that got the hash accepts the key in the file.
func TestTheKeyIsThatOfTheHash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "operator.key")
	hash, err := operatorkey.Hash(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v, want mode 0600", info, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := operatorkey.Hash(path); err != nil || again != hash {
		t.Errorf("second Hash = %s, %v, want %s", again, err, hash)
	}
	ctx, table, vault := context.Background(), tenantstest.NewTable(tenantstest.Faults{}), tenantstest.NewVault()
	deployment, err := keyring.Open(ctx, table, vault)
	if err != nil {
		t.Fatal(err)
	}
	accounts := account.NewAccounts(table, nil)
	keys := account.NewKeys(accounts, account.NewSigners(accounts, vault, deployment))
	if err := keys.EnsureOperatorHash(ctx, hash); err != nil {
		t.Fatal(err)
	}
	if p, err := keys.Authenticate(ctx, strings.TrimSpace(string(text))); err != nil || !p.Operator {
		t.Errorf("Authenticate = %+v, %v, want the operator", p, err)
	}
}

func TestAFileThatHoldsNoOperatorsKeyIsRefusedAndKept(t *testing.T) {
	accounts := account.NewAccounts(tenantstest.NewTable(tenantstest.Faults{}), nil)
	_, _, tenantsKey, err := accounts.Signup(context.Background(), "Acme", "dev@acme.test")
	if err != nil {
		t.Fatal(err)
	}
	whole := account.NewOperatorKey()
	for name, content := range map[string]string{"empty": "", "half": whole[:len(whole)-1], "a tenant's": tenantsKey} {
		path := filepath.Join(t.TempDir(), "operator.key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		hash, err := operatorkey.Hash(path)
		if err == nil || hash != "" || !strings.Contains(err.Error(), path) ||
			content != "" && strings.Contains(err.Error(), content) {
			t.Errorf("%s: Hash = %q, %v, want an error with the path and without the content", name, hash, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != content {
			t.Errorf("%s: the file has %q, %v, want it unchanged", name, after, err)
		}
	}
	if _, err := operatorkey.Hash(filepath.Join(t.TempDir(), "none", "operator.key")); err == nil {
		t.Error("Hash without a folder succeeded, want an error")
	}
}
