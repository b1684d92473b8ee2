package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

const (
	maxSettings = 1 << 20  // bytes of a file of settings, or of a secret
	maxPublish  = 1 << 20  // what the API takes
	maxSign     = 32 << 20 // more than GitHub posts, which posts the most
)

// input reads from standard input, and gives up when ctx ends: a terminal may never say anything. What still reads then ends with the process.
func input(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
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
		return nil, failed(exitFailed, "stopped while it waited for standard input; nothing was done")
	}
}

// payload reads the body that an argument names a file of, or standard input where it names none or "-". A body is never cut: one of more than max
// bytes is refused, with advice.
func (sh *shell) payload(ctx context.Context, file string, max int64, advice string) ([]byte, error) {
	from, name := sh.stdin, "standard input"
	if file != "" && file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, failed(exitUsage, "the body cannot be read: %w", err)
		}
		defer f.Close()
		from, name = f, file
	} else if terminal(sh.stdin) != nil {
		sh.say("type the body, and end it with Ctrl-D on a line of its own")
	}
	b, err := input(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(from, max+1)) })
	if err == nil && int64(len(b)) > max {
		err = failed(exitUsage, "%s has more than %d MiB: %s", name, max>>20, advice)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// terminal is what a person types at, nil where it is none.
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

// hidden asks a person at a terminal for a line, which is not shown where the terminal can be told so, until typed is called.
func (sh *shell) hidden(ask string) (typed func()) {
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
