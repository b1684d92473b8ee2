package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/peers"
)

// Missing programs are named with their purposes in one line, and no others are.
func TestWhatIsMissingIsSaidInOneLine(t *testing.T) {
	need(t)
	programs := []string{"go", "java", "node", "npm"}
	found := make(map[string]string)
	for _, p := range programs {
		path, err := exec.LookPath(p)
		if err != nil {
			t.Fatal(err)
		}
		found[p] = path
	}
	for _, absent := range append(programs, "") {
		bin := t.TempDir()
		for p, path := range found {
			if p != absent && absent != "" {
				if err := os.Symlink(path, filepath.Join(bin, p)); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Setenv("PATH", bin)
		err := run(t.Context(), []string{"-data", t.TempDir()}, io.Discard)
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Fatalf("without %s awslocal returned %v, want an error in one line", absent, err)
		}
		for _, p := range programs {
			named := strings.Contains(err.Error(), ": "+p+" ") || strings.Contains(err.Error(), "; "+p+" ")
			if named != (absent == p || absent == "") {
				t.Errorf("without %q the error is %q", absent, err)
			}
		}
	}
}

func TestWhatCannotBeIsSaidAtOnce(t *testing.T) {
	p := start(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	here := taken.Addr().String()
	one, two := peers.FreeAddr(), peers.FreeAddr()
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"-bogus"}, "-bogus"},
		{[]string{"argument"}, `"argument"`},
		{[]string{"-concurrency", "0"}, "-concurrency"},
		{[]string{"-api", ""}, `""`},
		{[]string{"-api", "0.0.0.0:9080"}, "0.0.0.0:9080"},
		{[]string{"-api", ":9080"}, ":9080"},
		{[]string{"-api", "127.0.0.1:0"}, "127.0.0.1:0"},
		{[]string{"-stream", "nonsense"}, "nonsense"},
		{[]string{"-stream", one + ","}, `""`},
		{[]string{"-stream", one + "," + one}, "twice"},
		{[]string{"-api", one, "-stream", one}, "twice"},
		{[]string{"-api", here, "-stream", two}, here},
		{[]string{"-api", one, "-stream", two + "," + here}, here},
		{[]string{"-api", one, "-stream", two, "-data", filepath.Join(file, "data")}, file},
		{[]string{"-api", one, "-stream", two, "-data", p.data}, p.data + " is used by another awslocal"},
	} {
		begin := time.Now()
		err := run(t.Context(), append([]string{"-data", t.TempDir()}, tt.args...), io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("awslocal %q returned %v, want an error in one line with %q", tt.args, err, tt.says)
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("awslocal %q returned after %v, want at most 20 s", tt.args, took)
		}
	}
	var help strings.Builder
	if err := run(t.Context(), []string{"-h"}, &help); err != nil || !strings.Contains(help.String(), "-stream") {
		t.Errorf("-h returned %v and printed %q", err, &help)
	}
}

// A newcomer pastes the lines that awslocal prints into one shell, and sees the webhook on the stream.
func TestTheLinesThatItPrintsWork(t *testing.T) {
	p := start(t)
	for _, program := range []string{"bash", "curl", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	var script strings.Builder
	for line := range strings.Lines(p.said()) {
		if pasted, ok := strings.CutPrefix(line, "    "); ok {
			if strings.HasPrefix(pasted, "body=") {
				// A user at a shell sees the stream begin before the next line.
				script.WriteString("until grep -q hookcast.open \"$seen\"; do sleep 0.1; done\n")
			}
			pasted = strings.Replace(pasted, `" &`, `" > "$seen" &`, 1)
			script.WriteString(pasted)
		}
	}
	script.WriteString("until grep -q 'It works from a shell' \"$seen\"; do sleep 0.1; done\nkill $!; cat \"$seen\"\n")
	seen := filepath.Join(t.TempDir(), "seen")
	if err := os.WriteFile(seen, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-c", script.String())
	cmd.Env = append(os.Environ(), "seen="+seen)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"channel":"orders"}`) ||
		!strings.Contains(string(out), "event: issues") {
		t.Errorf("the lines ended with %v and printed\n%s\nThe lines:\n%s", err, out, &script)
	}
	for _, want := range append([]string{p.API, filepath.Join(p.data, "operator.key")}, p.streams...) {
		if !strings.Contains(p.said(), want) {
			t.Errorf("the output lacks %s: %s", want, p.said())
		}
	}
}

// A node that ends several times before the deployment is ready, for example because its port is taken, is given up
// with its last line of output.
func TestANodeThatDoesNotStartIsSaid(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "streamer-1.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	binary := filepath.Join(t.TempDir(), "streamerd")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho life >&2; echo no luck >&2; exit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := &streamer{name: "streamer-1", binary: binary, out: out, log: slog.New(slog.DiscardHandler), changed: func() {},
		ready: make(chan struct{})}
	if err := s.run(t.Context()); err == nil || err.Error() != "streamer-1 did not start: no luck" {
		t.Errorf("got %v, want the last line of output", err)
	}
	said, err := os.ReadFile(out.Name())
	if err != nil || strings.Count(string(said), "life\n") != firstLives {
		t.Errorf("the node was not started %d times (%v): %s", firstLives, err, said)
	}
}
