// Command awslocal runs Hookcast's AWS form on one machine: DynamoDB Local, an SQS server, the functions' binaries
// with a Runtime API, the pollers that invoke them, a gateway, and two streaming nodes.
//
//	go run ./infra/awslocal
//
// Table, queues, event source mappings, routes and environments are created from template.yaml. Everything listens on
// loopback, and stored data is lost when it ends. It needs go, java, node and npm.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/hookcast/hookcast/infra/awslocal/emulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "awslocal:", err)
		os.Exit(1)
	}
}

// config holds the values of the flags.
type config struct {
	api         string
	streams     []string
	data        string
	concurrency int
	// allowPrivate allows endpoints with private addresses and plain http.
	allowPrivate bool

	// through returns the address at which functions and nodes find the server at url; nil: url. Tests put a proxy
	// there.
	through func(service, url string) (string, error)
	// invoking returns the invoker of the function's batches; nil: invoke itself. Tests wrap it.
	invoking func(function string, invoke invoker) invoker
}

// parse parses the flags. For -h it writes the usage to help and returns flag.ErrHelp.
func parse(args []string, help io.Writer) (config, error) {
	var c config
	var streams string
	flags := flag.NewFlagSet("awslocal", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main prints the error once
	flags.StringVar(&c.api, "api", "127.0.0.1:9080", "`address` of the gateway's front")
	flags.StringVar(&streams, "stream", "127.0.0.1:9081,127.0.0.1:9082",
		"`addresses` of the streaming nodes, one for each")
	flags.StringVar(&c.data, "data", "./awslocal-data",
		"`folder` of the operator's key, the binaries and the logs; created if it does not exist")
	flags.IntVar(&c.concurrency, "concurrency", 8, "maximal `number` of environments of each function")
	flags.BoolVar(&c.allowPrivate, "allow-private", false,
		"let endpoints reach private addresses and plain http (for development)")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(help)
		flags.Usage()
		return c, err
	case err != nil:
		return c, fmt.Errorf("%w; -h lists the flags", err)
	case flags.NArg() > 0:
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	c.streams = strings.Split(streams, ",")
	return c, c.check()
}

// check refuses values that would fail later, with a less clear error.
func (c config) check() error {
	if c.concurrency < 1 {
		return errors.New("-concurrency must be at least 1")
	}
	addresses := append([]string{c.api}, c.streams...)
	for i, a := range addresses {
		host, port, err := net.SplitHostPort(a)
		n, _ := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 || host != "localhost" && !net.ParseIP(host).IsLoopback() {
			return fmt.Errorf("%q is not a loopback address with a port, such as 127.0.0.1:9080", a)
		}
		if slices.Contains(addresses[:i], a) {
			return fmt.Errorf("the address %s is given twice", a)
		}
	}
	return nil
}

// missing returns an error that lists the programs that this machine lacks, or nil.
func missing() error {
	lacking := emulator.Missing()
	if _, err := exec.LookPath("go"); err != nil {
		lacking = append([]string{"go builds the functions and the streamer"}, lacking...)
	}
	if len(lacking) > 0 {
		return &emulator.MissingError{Programs: lacking}
	}
	return nil
}

// run serves until ctx ends or a part fails that it needs.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	c, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := missing(); err != nil {
		return err
	}
	return newLocal(c).serve(ctx, stdout)
}
