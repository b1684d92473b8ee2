package contract

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// TestVault tests that a Vault keeps its contract.
func TestVault(t *testing.T, open func(t *testing.T) tenants.Vault) {
	for name, f := range vaultCases {
		t.Run(name, func(t *testing.T) { f(&vaultCase{T: t, vault: open(t), tenant: newTenant()}) })
	}
}

type vaultCase struct {
	*testing.T
	vault  tenants.Vault
	tenant tenants.TenantID
}

func (c *vaultCase) seal(purpose string, plain []byte) []byte {
	c.Helper()
	sealed, err := c.vault.Seal(c.Context(), c.tenant, purpose, plain)
	if err != nil {
		c.Fatalf("Seal: %v", err)
	}
	return sealed
}

func (c *vaultCase) opens(purpose string, sealed, want []byte) {
	c.Helper()
	plain, err := c.vault.Open(c.Context(), c.tenant, purpose, sealed)
	if err != nil || !bytes.Equal(plain, want) {
		c.Errorf("Open: got %d bytes, %v; want %d bytes", len(plain), err, len(want))
	}
}

func (c *vaultCase) staysSealed(id tenants.TenantID, purpose string, sealed []byte) {
	c.Helper()
	plain, err := c.vault.Open(c.Context(), id, purpose, sealed)
	if len(plain) > 0 || tenants.KindOf(err) != tenants.Internal || tenants.CodeOf(err) != "unsealable" {
		c.Errorf("Open for %s, %q: got %d bytes, %v; want unsealable", id, purpose, len(plain), err)
	}
}

var vaultCases = map[string]func(*vaultCase){
	"what was sealed opens": func(c *vaultCase) {
		large := make([]byte, tenantstest.MaxSecret)
		rand.Read(large)
		for _, plain := range [][]byte{nil, {}, {0}, []byte("secret"), large} {
			c.opens("source", c.seal("source", plain), plain)
		}
	},
	"it opens for its tenant and purpose alone": func(c *vaultCase) {
		sealed := c.seal("source", []byte("secret"))
		c.staysSealed(newTenant(), "source", sealed)
		c.staysSealed(tenants.System, "source", sealed)
		for _, purpose := range []string{"", "sourc", "source ", "sources", "Source", "token"} {
			c.staysSealed(c.tenant, purpose, sealed)
		}
		last := c.tenant[len(c.tenant)-1:]
		c.staysSealed(c.tenant[:len(c.tenant)-1], string(last)+"source", sealed)
		c.staysSealed(c.tenant+"s", "ource", sealed)
		c.opens("source", sealed, []byte("secret"))
	},
	"no byte can be changed, added or taken away": func(c *vaultCase) {
		sealed := c.seal("source", []byte("secret"))
		for i := range sealed {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1
			c.staysSealed(c.tenant, "source", changed)
			c.staysSealed(c.tenant, "source", sealed[:i])
		}
		c.staysSealed(c.tenant, "source", append(bytes.Clone(sealed), 0))
		c.staysSealed(c.tenant, "source", nil)
		c.staysSealed(c.tenant, "source", make([]byte, len(sealed)))
	},
	"equal secrets are sealed differently, and do not show": func(c *vaultCase) {
		plain := []byte("a secret that would be seen")
		seen := map[string]bool{}
		for range 100 {
			sealed := c.seal("source", plain)
			if seen[string(sealed)] || bytes.Contains(sealed, plain[:8]) {
				c.Fatal("a sealed secret repeats or contains the plain text")
			}
			seen[string(sealed)] = true
		}
	},
	"the vault is done with its arguments": func(c *vaultCase) {
		plain := []byte("secret")
		sealed := c.seal("source", plain)
		plain[0] = 'X'
		c.opens("source", bytes.Clone(sealed), []byte("secret"))
	},
}
