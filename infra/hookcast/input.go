package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

const (
	maxSettings = 1 << 20  // bytes of a settings file or of a secret
	maxPublish  = 1 << 20  // bytes of an event that the API accepts
	maxSign     = 32 << 20 // bytes; GitHub sends the largest webhooks, and its limit is 25 MB
)

// awaitInput runs read, which reads from standard input, and gives up when ctx ends because a terminal may never
// return. A read that is given up goes on until the process exits.
func awaitInput(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		b   []byte
		err error
	}
	got := make(chan result, 1)
	go func() {
		b, err := read()
		got <- result{b, err}
	}()
	select {
	case r := <-got:
		return r.b, r.err
	case <-ctx.Done():
		return nil, failed(exitFailed, "stopped while waiting for standard input; nothing was done")
	}
}

// payload reads the named file, or standard input if file is "" or "-". It never cuts a body: if there are more than
// max bytes, the error says so, followed by advice.
func (sh *shell) payload(ctx context.Context, file string, max int64, advice string) ([]byte, error) {
	from, name := sh.stdin, "standard input"
	if file != "" && file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, failed(exitUsage, "cannot read the body: %w", err)
		}
		defer f.Close()
		from, name = f, file
	} else if terminal(sh.stdin) != nil {
		sh.say("type the body and end it with Ctrl-D on a line of its own")
	}
	b, err := awaitInput(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(from, max+1)) })
	if err == nil && int64(len(b)) > max {
		err = failed(exitUsage, "%s is larger than %d MiB: %s", name, max>>20, advice)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// terminal returns in if it is a terminal, else nil.
func terminal(in io.Reader) *os.File {
	f, ok := in.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	if null, err := os.Stat(os.DevNull); err == nil && os.SameFile(info, null) {
		return nil
	}
	return f
}

// hideInput prompts for a line if standard input is a terminal, and turns echo off if the terminal supports it. The
// caller calls typed once the line is read.
func (sh *shell) hideInput(ask string) (typed func()) {
	in := terminal(sh.stdin)
	if in == nil {
		return func() {}
	}
	stty := func(setting string) error {
		cmd := exec.Command("stty", setting)
		cmd.Stdin = in
		return cmd.Run()
	}
	fmt.Fprint(sh.stderr, ask)
	if stty("-echo") != nil {
		return func() {}
	}
	return func() {
		_ = stty("echo")
		fmt.Fprintln(sh.stderr)
	}
}
