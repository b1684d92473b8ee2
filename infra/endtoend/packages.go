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

// Packages installs the npm packages that dir's package-lock.json names, once, into a folder of the user's cache, and returns that. Where
// there is no node or npm the test is skipped, and fails under CI=true; without says what nobody knows then.
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
	there := filepath.Join(cache, "npm-"+name+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(there); err == nil {
		return there
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	making, err := os.MkdirTemp(cache, "making-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(making)
	for _, name := range []string{"package.json", "package-lock.json"} {
		raw, err := fs.ReadFile(from, name)
		if err == nil {
			err = os.WriteFile(filepath.Join(making, name), raw, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = making
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	// Another test process may have been quicker; then what it made is as good.
	if err := os.Rename(making, there); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, serr := os.Stat(there); serr != nil {
			t.Fatal(err)
		}
	}
	return there
}
