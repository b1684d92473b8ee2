// Command hookcast is the command line of a tenant: it forwards events to a program on the developer's own machine, shows
// channels, publishes, signs test webhooks and tells why an event did or did not arrive.
//
//	go run ./infra/hookcast login -api http://localhost:8080
//	go run ./infra/hookcast listen -forward http://localhost:3000/webhooks github.shop
//
// It exits with 0 when all is done or the channels have ended, 1 when something went wrong, 2 when it was called wrongly, 3 when
// Hookcast could not be reached, and 4 when the credential was refused.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// What the program exits with.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitRefused     = 4
)

// failure is an error that says what to exit with.
type failure struct {
	exit int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failed(exit int, format string, args ...any) error {
	return &failure{exit, fmt.Errorf(format, args...)}
}

// shell is what a command has around it.
type shell struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(string) string
	folder         func() (string, error) // the user's own for settings; made where there is none
	remote         http.RoundTripper      // to Hookcast
	local          http.RoundTripper      // to the developer's own machine: by no proxy
}

// command is one of what the program can do.
type command struct {
	name, args, does string
	run              func(ctx context.Context, sh *shell, args []string) error
}

func commands() []command {
	return []command{
		{"login", "[-api URL] [-stream URL]", "keep an API key, read from standard input", login},
		{"listen", "-forward URL channel|source[=URL]…", "hand events to a program on this machine", listen},
		{"tail", "[-json] [-since cursor] channel…", "print events as they come", tail},
		{"publish", "[-type type] channel [json]", "publish an event", publish},
		{"sign", "-provider name [-url URL] [file]", "sign a body as a provider would", sign},
		{"trace", "event", "show the way of an event", trace},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	remote := http.DefaultTransport.(*http.Transport).Clone()
	local := remote.Clone()
	local.Proxy = nil
	sh := &shell{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: os.Getenv, folder: settingsFolder, remote: remote, local: local}
	os.Exit(sh.run(ctx, os.Args[1:]))
}

// run runs the command that args name, says on stderr what went wrong, and returns what to exit with.
func (sh *shell) run(ctx context.Context, args []string) int {
	err := sh.dispatch(ctx, args)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(sh.stderr, "hookcast:", shown(err.Error()))
	if f, ok := errors.AsType[*failure](err); ok {
		return f.exit
	}
	return exitFailed
}

func (sh *shell) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		sh.usage()
		return failed(exitUsage, "name a command")
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		sh.usage()
		return nil
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, sh, args[1:])
		}
	}
	sh.usage()
	return failed(exitUsage, "there is no command %q", args[0])
}

func (sh *shell) usage() {
	fmt.Fprintln(sh.stderr, "usage: hookcast command …; hookcast command -h says more")
	for _, c := range commands() {
		fmt.Fprintf(sh.stderr, "  %-8s %-38s %s\n", c.name, c.args, c.does)
	}
}

// flags are those of a command. What is wrong with them is said by parse, once.
func (sh *shell) flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet("hookcast "+name, flag.ContinueOnError)
	f.SetOutput(sh.stderr)
	for _, c := range commands() {
		if c.name == name {
			f.Usage = func() {
				fmt.Fprintf(sh.stderr, "usage: hookcast %s %s: %s\n", name, c.args, c.does)
				f.PrintDefaults()
			}
		}
	}
	return f
}

// parse reads the flags, which may stand behind other arguments too, and returns those others.
func parse(f *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, &failure{exitUsage, err}
		}
		if args = f.Args(); len(args) == 0 {
			return rest, nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

// settingsFolder is where the user's settings are.
func settingsFolder() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "hookcast")
	return dir, os.MkdirAll(dir, 0o700)
}
