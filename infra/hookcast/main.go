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
	"time"
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
	profile        string                 // which of the kept keys; "": the one without a name
	patience       patience               // with streams
}

// command is one of what the program can do.
type command struct {
	name, args, does string
	example          string
	asks             bool // with a key
	run              func(ctx context.Context, sh *shell, args []string) error
}

func commands() []command {
	return []command{
		{"login", "[-api URL] [-stream URL]", "keep an API key, read from standard input", "hookcast login -api http://localhost:8080", true, login},
		{"listen", "-forward URL channel|source[=URL]…", "hand events to a program on this machine", "hookcast listen -resume -forward http://localhost:3000/webhooks src_… 'orders.*'", true, listen},
		{"tail", "[-json] [-since cursor] channel…", "print events as they come", "hookcast tail -since 0 orders.42", true, tail},
		{"publish", "[-type type] channel [json|-]", "publish an event", `hookcast publish -type order.paid orders.42 '{"total":42}'`, true, publish},
		{"sign", "-provider name [-url URL] [file|-]", "sign a body as a provider would", "HOOKCAST_SECRET=… hookcast sign -provider github -url http://localhost:8080/in/… body.json", false, sign},
		{"trace", "event", "show the way of an event", "hookcast trace evt_…", true, trace},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	remote := http.DefaultTransport.(*http.Transport).Clone()
	remote.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second} // else a dead connection serves on, as far as HTTP/2 knows
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
		sh.usage(sh.stderr)
		return failed(exitUsage, "name a command")
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
	return failed(exitUsage, "there is no command %q; hookcast -h lists them", args[0])
}

func (sh *shell) usage(to io.Writer) {
	fmt.Fprintln(to, "usage: hookcast command …")
	for _, c := range commands() {
		fmt.Fprintf(to, "  %-8s %-38s %s\n", c.name, c.args, c.does)
	}
	fmt.Fprintf(to, "hookcast command -h says more, with an example.\nInstead of what login has kept, %s, %s and %s say who asks, and where.\n", envKey, envAPI, envStream)
}

// flags are those of a command. What is wrong with them is said by run, once.
func (sh *shell) flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet("hookcast "+name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	for _, c := range commands() {
		if c.name == name && c.asks {
			f.StringVar(&sh.profile, "profile", sh.env(envProfile), "`name` of one of several keys that login keeps; also in "+envProfile)
		}
	}
	return f
}

// parse reads the flags, which may stand behind other arguments too, and returns those others. Behind "--" there are no flags.
func (sh *shell) parse(f *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				sh.help(f)
				return nil, err
			}
			return nil, failed(exitUsage, "%w; %s -h lists the flags, and behind -- there are none", err, f.Name())
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

// help is what was asked for, and so goes to standard output.
func (sh *shell) help(f *flag.FlagSet) {
	for _, c := range commands() {
		if f.Name() == "hookcast "+c.name {
			fmt.Fprintf(sh.stdout, "usage: hookcast %s [flags] %s\n%s\n\n    %s\n\n", c.name, c.args, c.does, c.example)
		}
	}
	f.SetOutput(sh.stdout)
	f.PrintDefaults()
}

// settingsFolder is where the user's settings are.
func settingsFolder() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("there is no folder for settings: %w", err)
	}
	dir = filepath.Join(dir, "hookcast")
	return dir, os.MkdirAll(dir, 0o700)
}
