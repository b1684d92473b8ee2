package keyring_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestDeploymentHasOneSecretHoweverManyStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := tenantstest.NewTable(tenantstest.Faults{Seed: 2, Latency: 2 * time.Millisecond})
		vault, ctx := tenantstest.NewVault(), context.Background()
		var mu sync.Mutex
		cursors := make(map[string]bool)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				d, err := keyring.Open(ctx, table, vault)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				cursors[d.Cursors().Seal("ten_a", "r", "p")] = true
			})
		}
		wg.Wait()
		if len(cursors) != 1 {
			t.Errorf("root secrets of ten processes: got %d, want 1", len(cursors))
		}
		if d := rig.Ok(keyring.Open(ctx, table, vault))(t); !cursors[d.Cursors().Seal("ten_a", "r", "p")] {
			t.Error("a restarted process has another root secret")
		}
		if _, err := keyring.Open(ctx, table, tenantstest.NewVault()); tenants.KindOf(err) != tenants.Internal {
			t.Errorf("Open with another vault: got %v, want an error of kind Internal", err)
		}
	})
}

func TestDeploymentDoesNotPrint(t *testing.T) {
	o := rig.NewOffice(t)
	ten, _, _ := o.SignUp(t)
	s := rig.Ok(o.Signers.Ours(context.Background(), ten.ID))(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, o.Deploy); text != "[deployment]" {
			t.Errorf("a Ring as %s: got %d bytes, want [deployment]", verb, len(text))
		}
		if text := fmt.Sprintf(verb, s); strings.Contains(text, string(s.Key)) || !strings.Contains(text, s.KID) {
			t.Errorf("a Signer as %s: got its key or no kid, want the kid alone", verb)
		}
	}
}

func TestCursors(t *testing.T) {
	c := rig.NewOffice(t).Deploy.Cursors()
	for _, position := range []string{"", "key_01", "a b\x00c", strings.Repeat("x", 500)} {
		sealed := c.Seal("ten_a", "keys", position)
		if got, err := c.Open("ten_a", "keys", sealed); err != nil || got != position {
			t.Errorf("Open of a sealed position: got %q, %v, want %q", got, err, position)
		}
		for i := range sealed {
			b := []byte(sealed)
			b[i] = map[bool]byte{true: 'A', false: 'B'}[b[i] != 'A']
			if _, err := c.Open("ten_a", "keys", string(b)); err == nil {
				t.Fatalf("a cursor changed at character %d opens, want an error", i)
			}
		}
		for _, foreign := range [][2]string{{"ten_b", "keys"}, {"ten_a", "sources"}, {"ten_ak", "eys"}} {
			_, err := c.Open(tenants.TenantID(foreign[0]), foreign[1], sealed)
			rig.WantError(t, err, tenants.Invalid, "invalid_cursor")
		}
	}
	good := c.Seal("ten_a", "keys", "k")
	for _, junk := range []string{"", "x", "====", "\n", strings.Repeat("A", 1<<20), good + "\n", good + "="} {
		_, err := c.Open("ten_a", "keys", junk)
		rig.WantError(t, err, tenants.Invalid, "invalid_cursor")
	}
	if _, err := rig.NewOffice(t).Deploy.Cursors().Open("ten_a", "keys", good); err == nil {
		t.Error("a cursor of another deployment opens, want an error")
	}
}
