package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const modulePath = "github.com/hookcast/hookcast"

// moduleRoot returns the folder of the source.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}").Output()
	path, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err != nil || path != modulePath {
		return "", fmt.Errorf("it is run from within its source: go run ./infra/awslocal")
	}
	return dir, nil
}

// build makes the binary of a main and returns its path. It is a deployment's but for the machine and for what would have everything be
// compiled a second time beside the developer's own builds.
func build(ctx context.Context, root, into, name, main string) (string, error) {
	out := filepath.Join(into, name, filepath.Base(main))
	if err := os.MkdirAll(filepath.Dir(out), 0o700); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", out, "./"+main)
	cmd.Dir = root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // killed, it leaves its linker behind
	cmd.WaitDelay = stopTime
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./%s: %w\n%s", main, err, said)
	}
	return out, nil
}
