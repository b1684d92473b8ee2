package emulator

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func archive(t *testing.T, files map[string]string) *bytes.Buffer {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)),
			Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return &buf
}

func TestUnpackTakesOneFolderAndNothingOutsideOfIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "to")
	files := map[string]string{"package/emulator/a/b.jar": "jar", "package/other": "no"}
	if err := unpack(archive(t, files), "package/emulator/", dir); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a/b.jar")); err != nil || string(b) != "jar" {
		t.Errorf("read %q, %v", b, err)
	}
	if exists(filepath.Join(dir, "other")) || exists(filepath.Join(dir, "package")) {
		t.Error("files outside of the folder were unpacked")
	}
	if err := unpack(archive(t, map[string]string{"package/emulator/../../evil": "x"}), "package/emulator/",
		dir); err == nil {
		t.Error("a name outside of the folder was accepted")
	}
	whole := archive(t, files).Bytes()
	if err := unpack(bytes.NewReader(whole[:len(whole)/2]), "package/emulator/", t.TempDir()); err == nil {
		t.Error("half an archive was accepted")
	}
}

func TestAFolderIsInstalledOnceAndWhole(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the cache folder is XDG_CACHE_HOME on Linux only")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	broken := errors.New("broken")
	_, err := installed(t.Context(), "x", func(_ context.Context, dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), broken)
	})
	if !errors.Is(err, broken) {
		t.Fatalf("got the error %v, want %v", err, broken)
	}
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			dir, err := installed(t.Context(), "x", func(_ context.Context, dir string) error {
				made.Add(1)
				return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600)
			})
			if err != nil || !exists(filepath.Join(dir, "whole")) || exists(filepath.Join(dir, "half")) {
				t.Errorf("installed at %s (%v), want all files and no partial ones", dir, err)
			}
		})
	}
	wg.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("installed %d times, want 1", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := installed(ctx, "y", func(ctx context.Context, _ string) error {
		return ctx.Err()
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("got the error %v, want context.Canceled", err)
	}
}
