// Command awslocal is Hookcast's form on AWS on one machine: DynamoDB Local, an SQS server, the functions' binaries under a Runtime API,
// what invokes them, a gateway's front, and two streaming nodes.
//
//	go run ./infra/awslocal
//
// Table, queues, event source mappings, routes and environments are made from template.yaml. Everything listens on loopback, and what is
// stored is gone when it ends. It needs go, java, node and npm.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/hookcast/hookcast/infra/awslocal/emulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "awslocal:", err)
		}
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	api         string
	streams     []string
	data        string
	concurrency int

	// through gives the address at which functions and nodes are to find a server that is at url; nil: url. Tests put a proxy between.
	through func(service, url string) (string, error)
	// invoking gives what hands over the batches that are a function's by template.yaml; nil: invoke. Tests come between there, too.
	invoking func(function string, invoke invoker) invoker
}

func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	var streams string
	flags := flag.NewFlagSet("awslocal", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.api, "api", "127.0.0.1:9080", "`address` of the gateway's front")
	flags.StringVar(&streams, "stream", "127.0.0.1:9081,127.0.0.1:9082", "`addresses` of the streaming nodes, a node each")
	flags.StringVar(&c.data, "data", "./awslocal-data", "`folder` of the operator's key, the binaries and the logs; made where there is none")
	flags.IntVar(&c.concurrency, "concurrency", 8, "environments of each function at most")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if c.concurrency < 1 {
		return c, errors.New("-concurrency is at least 1")
	}
	c.streams = strings.Split(streams, ",")
	return c, nil
}

// missing tells which programs this machine lacks, in one line; nil: none.
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

// run serves until ctx ends or something that it cannot do without does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if err := missing(); err != nil {
		return err
	}
	return newLocal(c).serve(ctx, stdout)
}
