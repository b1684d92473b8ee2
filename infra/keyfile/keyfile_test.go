package keyfile_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hookcast/hookcast/infra/keyfile"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest/contract"
)

func TestVaultKeepsItsContract(t *testing.T) {
	contract.TestVault(t, func(t *testing.T) tenants.Vault {
		return open(t, filepath.Join(t.TempDir(), "vault.key"))
	})
}

func open(t *testing.T, path string) *keyfile.Vault {
	t.Helper()
	v, err := keyfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOpenMakesAFileOfItsOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	open(t, filepath.Join(dir, "vault.key"))
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("the folder has files %v, %v, want one", files, err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode() != 0o600 || info.Size() != 32 {
		t.Errorf("the file is %v, %v, want mode 0600 and 32 bytes", info, err)
	}
}

func TestWhatWasSealedOpensAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.key")
	sealed, err := open(t, path).Seal(t.Context(), "ten_a", "source", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := open(t, path).Open(t.Context(), "ten_a", "source", sealed); err != nil ||
		string(plain) != "secret" {
		t.Errorf("Open after a restart = %d bytes, %v, want the secret", len(plain), err)
	}
	other := open(t, filepath.Join(t.TempDir(), "vault.key"))
	if _, err := other.Open(t.Context(), "ten_a", "source", sealed); tenants.CodeOf(err) != "unsealable" {
		t.Errorf("Open with another key = %v, want unsealable", err)
	}
}

// The format never changes: every release must open the secrets of all earlier ones.
func TestSealedFormatStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.key")
	if err := os.WriteFile(path, bytes.Repeat([]byte{7}, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	sealed, err := hex.DecodeString("01" + golden)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := open(t, path).Open(t.Context(), "ten_a", "source", sealed); err != nil ||
		string(plain) != "golden" {
		t.Errorf("Open = %d bytes, %v, want golden", len(plain), err)
	}
}

func TestOpenRefusesAFileThatIsNotAKeyOfItsOwners(t *testing.T) {
	for name, c := range map[string]struct {
		size int
		mode os.FileMode
		code string
	}{
		"group readable": {32, 0o640, "key_file_exposed"},
		"world readable": {32, 0o604, "key_file_exposed"},
		"group writable": {32, 0o620, "key_file_exposed"},
		"empty":          {0, 0o600, "key_file_damaged"},
		"one short":      {31, 0o600, "key_file_damaged"},
		"one more":       {33, 0o600, "key_file_damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "vault.key")
			key := bytes.Repeat([]byte("k"), c.size)
			if err := os.WriteFile(path, key, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := keyfile.Open(path)
			if tenants.CodeOf(err) != c.code || strings.Contains(err.Error(), "kkk") {
				t.Errorf("Open = %v, want %s without the content", err, c.code)
			}
			if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, key) {
				t.Error("Open changed the file")
			}
		})
	}
	if _, err := keyfile.Open(t.TempDir()); err == nil {
		t.Error("Open of a folder succeeded, want an error")
	}
	if _, err := keyfile.Open(filepath.Join(t.TempDir(), "none",
		"vault.key")); tenants.CodeOf(err) != "key_file_unusable" {
		t.Errorf("Open without a folder = %v, want key_file_unusable", err)
	}
}

func TestSeveralThatOpenAtOnceHaveOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.key")
	vaults := make([]*keyfile.Vault, 8)
	var wg sync.WaitGroup
	for i := range vaults {
		wg.Go(func() {
			var err error
			if vaults[i], err = keyfile.Open(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sealed, err := vaults[0].Seal(t.Context(), "ten_a", "p", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vaults {
		if _, err := v.Open(t.Context(), "ten_a", "p", sealed); err != nil {
			t.Errorf("vault %d cannot open the secret of vault 0: %v", i, err)
		}
	}
}

func TestLargeSecretsAndEndedCallsAreRefused(t *testing.T) {
	v := open(t, filepath.Join(t.TempDir(), "vault.key"))
	if _, err := v.Seal(t.Context(), "ten_a", "p", make([]byte, 4<<10+1)); tenants.KindOf(err) != tenants.TooLarge {
		t.Errorf("Seal of 4 KB and a byte = %v, want TooLarge", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, seal := v.Seal(ctx, "ten_a", "p", nil)
	_, opened := v.Open(ctx, "ten_a", "p", nil)
	if tenants.KindOf(seal) != tenants.Unavailable || tenants.KindOf(opened) != tenants.Unavailable {
		t.Errorf("with a cancelled context Seal = %v and Open = %v, want Unavailable", seal, opened)
	}
}

// golden was sealed by another implementation of HKDF and AES-GCM, with a nonce of 0, 1, 2, …
const golden = "000102030405060708090a0b0c0d0e0f1011121314151617811bc0efcf76c8af279b76ef6bbd7856efa10bae9b25"
