package emulator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// installed returns the folder of that name in the cache, which make fills if it does not exist. The folder is
// complete or absent: make works in a temporary folder, which is renamed in the end.
func installed(ctx context.Context, name string, make func(ctx context.Context, dir string) error) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	cache = filepath.Join(cache, "hookcast")
	dir := filepath.Join(cache, name)
	if exists(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("waiting for another download of %s: %w", name, err)
	}
	defer unlock()
	if exists(dir) {
		return dir, nil
	}
	part, err := os.MkdirTemp(cache, name+".part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	if err := make(ctx, part); err != nil {
		return "", fmt.Errorf("downloading %s: %w", name, err)
	}
	if err := os.Rename(part, dir); err != nil && !exists(dir) {
		return "", err
	}
	return dir, nil
}

func exists(dir string) bool {
	_, err := os.Stat(dir)
	return !errors.Is(err, fs.ErrNotExist)
}

// npm runs npm in dir. Its error contains the most specific line that npm wrote.
func npm(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "npm", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("npm %s: %w: %s", args[0], err, lastError(string(out)))
	}
	return nil
}

// lastError returns the most specific line of npm's output: the first one of an error, otherwise the last one.
func lastError(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, l := range lines {
		if strings.HasPrefix(l, "npm error") && !strings.HasPrefix(l, "npm error code") {
			return l
		}
	}
	return lines[len(lines)-1]
}
