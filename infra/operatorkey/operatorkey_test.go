package operatorkey_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/infra/operatorkey"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// The key in the file opens what was given its hash.
func TestTheKeyIsThatOfTheHash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "operator.key")
	hash, err := operatorkey.Hash(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := operatorkey.Hash(path); err != nil || again != hash {
		t.Errorf("the second time %s, %v", again, err)
	}
	ctx, table, vault := context.Background(), tenantstest.NewTable(tenantstest.Faults{}), tenantstest.NewVault()
	deployment, err := tenants.OpenDeployment(ctx, table, vault)
	if err != nil {
		t.Fatal(err)
	}
	accounts := tenants.NewAccounts(table, nil)
	keys := tenants.NewKeys(accounts, tenants.NewSigners(accounts, vault, deployment))
	if err := keys.EnsureOperatorHash(ctx, hash); err != nil {
		t.Fatal(err)
	}
	if p, err := keys.Authenticate(ctx, strings.TrimSpace(string(text))); err != nil || !p.Operator {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAFileThatHoldsNoOperatorsKeyIsRefusedAndKept(t *testing.T) {
	accounts := tenants.NewAccounts(tenantstest.NewTable(tenantstest.Faults{}), nil)
	_, _, tenantsKey, err := accounts.Signup(context.Background(), "Acme", "dev@acme.test")
	if err != nil {
		t.Fatal(err)
	}
	whole := tenants.NewOperatorKey()
	for name, content := range map[string]string{"empty": "", "half": whole[:len(whole)-1], "a tenant's": tenantsKey} {
		path := filepath.Join(t.TempDir(), "operator.key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		hash, err := operatorkey.Hash(path)
		if err == nil || hash != "" || !strings.Contains(err.Error(), path) || content != "" && strings.Contains(err.Error(), content) {
			t.Errorf("%s: %q, %v", name, hash, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != content {
			t.Errorf("%s: the file became %q, %v", name, after, err)
		}
	}
	if _, err := operatorkey.Hash(filepath.Join(t.TempDir(), "none", "operator.key")); err == nil {
		t.Error("a folder that is not there is no error")
	}
}
