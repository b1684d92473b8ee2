// Command onebox runs all of Hookcast in one process on SQLite: it receives webhooks, stores them, and serves the
// streams.
//
//	go run ./infra/onebox
//
// The first start creates the folder -data with the database, the key that seals secrets, and operator.key. Each
// start prints the address of a demo page and lines to paste into a shell.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "onebox:", err)
		}
		os.Exit(1)
	}
}

// config holds the values of the flags.
type config struct {
	addr, data   string
	publicURL    string
	allowPrivate bool
	signup       bool
	demo         bool
	trustedHops  int
	drain        time.Duration
	synchronous  string // SQLite's setting; "" is FULL. Set by benchmarks alone
}

func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("onebox", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "`address` to listen on")
	flags.StringVar(&c.data, "data", "./data", "`folder` of the database and the keys; created if it does not exist")
	flags.StringVar(&c.publicURL, "public-url", "",
		"`address` at which providers and browsers reach this server (default http:// and -addr)")
	flags.BoolVar(&c.allowPrivate, "allow-private", false,
		"let proxies and endpoints reach private addresses and plain http (for development)")
	flags.BoolVar(&c.signup, "signup", true, "let anyone sign up; otherwise only the operator creates tenants")
	flags.BoolVar(&c.demo, "demo", true, "serve the demo page at / to browsers on this machine")
	flags.IntVar(&c.trustedHops, "trusted-hops", 0,
		"`number` of proxies in front of this server that append to X-Forwarded-For")
	flags.DurationVar(&c.drain, "drain", 5*time.Second,
		"`time` over which the closing of streams is spread when the server stops")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return c, c.check()
}

// check refuses values that would fail later, with a less clear error.
func (c config) check() error {
	switch u, err := url.Parse(c.publicURL); {
	case c.publicURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != ""):
		return errors.New("-public-url must be an address such as https://hooks.example.com")
	case c.trustedHops < 0:
		return errors.New("-trusted-hops must be 0 or more")
	case c.drain < 0:
		return errors.New("-drain must be 0 or more")
	}
	return nil
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	ln, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	if c.publicURL == "" {
		c.publicURL = "http://" + ln.Addr().String()
	}
	c.publicURL = strings.TrimRight(c.publicURL, "/")
	b, err := open(ctx, c, logger)
	if err != nil {
		ln.Close()
		return err
	}
	defer b.close()
	b.greet(stdout)
	return b.serve(ctx, ln)
}
