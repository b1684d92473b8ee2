package endtoend

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Packages installs the npm packages of dir's package-lock.json once, into a folder of the user's cache, and returns
// that folder. Without node or npm the test is skipped, with the consequence that without names; with CI=true it
// fails instead.
func Packages(t testing.TB, dir, without string) string {
	t.Helper()
	return install(t, os.DirFS(dir), filepath.Base(dir), without)
}

func install(t testing.TB, from fs.FS, name, without string) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing", program)
			}
			t.Skipf("%s is missing: %s", program, without)
		}
	}
	lock, err := fs.ReadFile(from, "package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "hookcast")
	sum := sha256.Sum256(lock)
	installed := filepath.Join(cache, "npm-"+name+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(installed); err == nil {
		return installed
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	partial, err := os.MkdirTemp(cache, "making-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(partial)
	for _, name := range []string{"package.json", "package-lock.json"} {
		raw, err := fs.ReadFile(from, name)
		if err == nil {
			err = os.WriteFile(filepath.Join(partial, name), raw, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = partial
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	// Another test process may have been faster; its installation is just as good.
	if err := os.Rename(partial, installed); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, serr := os.Stat(installed); serr != nil {
			t.Fatal(err)
		}
	}
	return installed
}
