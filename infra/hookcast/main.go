// Command hookcast is the command line for a tenant's developers. It forwards events to a program on the developer's
// machine, prints and publishes events, signs test webhooks and shows the trace of an event.
//
//	go run ./infra/hookcast login -api http://localhost:8080
//	go run ./infra/hookcast listen -forward http://localhost:3000/webhooks github.shop
//
// The exit code is 0 on success or when all channels have ended, 1 on failure, 2 on wrong usage, 3 if Hookcast cannot
// be reached, and 4 if the credential is refused.
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
	"time"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitRefused     = 4
)

// failure is an error with the exit code that it leads to.
type failure struct {
	exit int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failed(exit int, format string, args ...any) error {
	return &failure{exit, fmt.Errorf(format, args...)}
}

// shell is the environment that a command runs in. Tests replace its parts.
type shell struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(string) string
	folder         func() (string, error) // returns the user's settings folder and creates it if missing
	remote         http.RoundTripper      // for requests to Hookcast
	local          http.RoundTripper      // for requests to the developer's machine; uses no proxy
	profile        string                 // name of the saved key; "" for the default one
	patience       patience               // limits for silent streams
}

// command is one subcommand of the program.
type command struct {
	name, args, does string
	example          string
	needsKey         bool // requires an API key
	run              func(ctx context.Context, sh *shell, args []string) error
}

func commands() []command {
	return []command{
		{"login", "[-api URL] [-stream URL]", "save an API key, read from standard input",
			"hookcast login -api http://localhost:8080", true, login},
		{"listen", "-forward URL channel|source[=URL]…", "forward events to a program on this machine",
			"hookcast listen -resume -forward http://localhost:3000/webhooks src_… 'orders.*'", true, listen},
		{"tail", "[-json] [-since cursor] channel…", "print events as they arrive", "hookcast tail -since 0 orders.42",
			true, tail},
		{"publish", "[-type type] channel [json|-]", "publish an event",
			`hookcast publish -type order.paid orders.42 '{"total":42}'`, true, publish},
		{"sign", "-provider name [-url URL] [file|-]", "sign a body as a provider would",
			"HOOKCAST_SECRET=… hookcast sign -provider github -url http://localhost:8080/in/… body.json", false, sign},
		{"trace", "event", "show the trace of an event", "hookcast trace evt_…", true, trace},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	remote := http.DefaultTransport.(*http.Transport).Clone()
	// Without pings HTTP/2 does not notice that a connection is dead.
	remote.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}
	local := remote.Clone()
	local.Proxy = nil
	sh := &shell{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: os.Getenv, folder: settingsFolder,
		remote: remote, local: local}
	os.Exit(sh.run(ctx, os.Args[1:]))
}

// run runs the command in args, prints its error to stderr and returns the exit code.
func (sh *shell) run(ctx context.Context, args []string) int {
	err := sh.dispatch(ctx, args)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(sh.stderr, "hookcast:", printable(err.Error()))
	if f, ok := errors.AsType[*failure](err); ok {
		return f.exit
	}
	return exitFailed
}

func (sh *shell) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		sh.usage(sh.stderr)
		return failed(exitUsage, "no command given")
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		if len(args) == 1 {
			sh.usage(sh.stdout)
			return nil
		}
		args = []string{args[1], "-h"}
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, sh, args[1:])
		}
	}
	return failed(exitUsage, "unknown command %q; hookcast -h lists the commands", args[0])
}

func (sh *shell) usage(to io.Writer) {
	fmt.Fprintln(to, "usage: hookcast command …")
	for _, c := range commands() {
		fmt.Fprintf(to, "  %-8s %-38s %s\n", c.name, c.args, c.does)
	}
	fmt.Fprintf(to, "Run hookcast command -h for details and an example.\n"+
		"The variables %s, %s and %s override the saved credentials.\n", envKey, envAPI, envStream)
}

// flags returns the flag set of a command. It prints nothing itself: run prints an error once.
func (sh *shell) flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet("hookcast "+name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	for _, c := range commands() {
		if c.name == name && c.needsKey {
			f.StringVar(&sh.profile, "profile", sh.env(envProfile),
				"`name` of one of several saved keys (default: the variable "+envProfile+")")
		}
	}
	return f
}

// parse reads the flags, which may also follow other arguments, and returns the other arguments. Flags end at "--".
func (sh *shell) parse(f *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				sh.help(f)
				return nil, err
			}
			return nil, failed(exitUsage, "%w; %s -h lists the flags, and -- ends them", err, f.Name())
		}
		if n := len(args) - f.NArg(); n > 0 && args[n-1] == "--" {
			return append(rest, f.Args()...), nil
		}
		if args = f.Args(); len(args) == 0 {
			return rest, nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

// help prints the usage of a command to standard output, because the user asked for it.
func (sh *shell) help(f *flag.FlagSet) {
	for _, c := range commands() {
		if f.Name() == "hookcast "+c.name {
			fmt.Fprintf(sh.stdout, "usage: hookcast %s [flags] %s\n%s\n\n    %s\n\n", c.name, c.args, c.does, c.example)
		}
	}
	f.SetOutput(sh.stdout)
	f.PrintDefaults()
}

// settingsFolder returns the user's settings folder and creates it if missing.
func settingsFolder() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("cannot find the settings folder: %w", err)
	}
	dir = filepath.Join(dir, "hookcast")
	return dir, os.MkdirAll(dir, 0o700)
}
