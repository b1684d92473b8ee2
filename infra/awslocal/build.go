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

// moduleRoot returns the folder of the module's source.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}").Output()
	path, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err != nil || path != modulePath {
		return "", fmt.Errorf("awslocal must run inside its source tree: go run ./infra/awslocal")
	}
	return dir, nil
}

// build builds a main package and returns the path of its binary. The flags are those of a deployment, except for the
// target machine and for flags that would compile every package a second time next to the developer's own builds.
func build(ctx context.Context, root, into, name, main string) (string, error) {
	out := filepath.Join(into, name, filepath.Base(main))
	if err := os.MkdirAll(filepath.Dir(out), 0o700); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", out, "./"+main)
	cmd.Dir = root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // if killed, go would not stop its linker
	cmd.WaitDelay = stopTime
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./%s: %w\n%s", main, err, output)
	}
	return out, nil
}
