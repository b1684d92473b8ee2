package privatefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestWhatIsWrittenIsItsOwnersAlone(t *testing.T) {
	for name, write := range map[string]func(string, []byte) error{"Create": Create, "Replace": Replace,
		"ReplaceDurably": ReplaceDurably} {
		path := filepath.Join(t.TempDir(), "key")
		if err := write(path, []byte("secret")); err != nil {
			t.Fatal(name, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s made %v, %v, want mode 0600", name, info, err)
		}
		if b, err := Read(path, 6); string(b) != "secret" || err != nil {
			t.Errorf("Read after %s = %q, %v, want secret", name, b, err)
		}
		if _, err := Read(path, 5); !errors.Is(err, ErrTooLong) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Read of 5 bytes after %s = %v, want ErrTooLong", name, err)
		}
		err = write(path, []byte("another"))
		if errors.Is(err, fs.ErrExist) != (name == "Create") || err != nil && name != "Create" {
			t.Errorf("second %s = %v, want fs.ErrExist from Create alone", name, err)
		}
		want := "another"
		if name == "Create" {
			want = "secret"
		}
		if b, err := Read(path, 100); string(b) != want || err != nil {
			t.Errorf("Read after a second %s = %q, %v, want %q", name, b, err, want)
		}
		if err := write(filepath.Join(filepath.Dir(path), "none", "key"), nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s without a folder = %v, want fs.ErrNotExist", name, err)
		}
		if left, err := os.ReadDir(filepath.Dir(path)); len(left) != 1 || err != nil {
			t.Errorf("after %s the folder has %v, %v, want one file", name, left, err)
		}
	}
}

// Attack: a link in place of the file redirects a write to another file.
func TestALinkIsReplacedAndNotFollowed(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "key"), filepath.Join(dir, "other")
	if err := errors.Join(os.WriteFile(other, []byte("untouched"), 0o644), os.Symlink(other, path)); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, []byte("secret")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a link = %v, want fs.ErrExist", err)
	}
	if err := Replace(path, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(other); string(b) != "untouched" || err != nil {
		t.Errorf("the link's target has %q, %v, want untouched", b, err)
	}
	if b, err := Read(path, 100); string(b) != "secret" || err != nil {
		t.Errorf("Read = %q, %v, want secret", b, err)
	}
}

func TestWhatOthersMayReadOrWriteIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := Create(path, []byte("canary")); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o610} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		b, err := Read(path, 100)
		if exposed, ok := errors.AsType[*ExposedError](err); !ok || exposed.Mode != mode || b != nil ||
			!strings.Contains(err.Error(), "chmod 600") || strings.Contains(err.Error(), "canary") {
			t.Errorf("Read with mode %o = %q, %v, want an ExposedError without the content", mode, b, err)
		}
	}
	if _, err := Read(filepath.Dir(path), 100); err == nil || !strings.HasSuffix(err.Error(), "is not a regular file") {
		t.Errorf("Read of a folder = %v, want that it is not a regular file", err)
	}
	if _, err := Read(path+"x", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of a missing file = %v, want fs.ErrNotExist", err)
	}
}

// One of several concurrent Creates of a file succeeds, and readers see all of the file or none of it.
func TestOneOfManyCreatesAndNobodyReadsHalf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var all sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for n := range 16 {
		all.Go(func() {
			want := bytes.Repeat([]byte{byte('a' + n)}, 4096)
			switch err := Create(path, want); {
			case err == nil:
				mu.Lock()
				made++
				mu.Unlock()
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
			b, err := Read(path, 1<<20)
			if err != nil || len(b) != 4096 || bytes.Count(b, b[:1]) != 4096 {
				t.Errorf("Read = %d bytes, %v, want 4096 equal ones", len(b), err)
			}
		})
	}
	all.Wait()
	if made != 1 {
		t.Errorf("%d calls of Create succeeded, want 1", made)
	}
}
