// Package awsenv is what a process on AWS has of its surroundings: what its environment says, the SDK's configuration, a log of JSON
// lines and metrics in CloudWatch's embedded format. Where something is missing the process ends with one line that says what, before
// it serves anybody.
package awsenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
)

// Name is a variable of the environment.
type Name string

const (
	Table           Name = "HOOKCAST_TABLE"             // name of the DynamoDB table
	IngestQueue     Name = "HOOKCAST_INGEST_QUEUE_URL"  // of the FIFO queue in front of the log
	DeliverQueue    Name = "HOOKCAST_DELIVER_QUEUE_URL" // of the FIFO queue of deliveries that are ready
	WaitingQueue    Name = "HOOKCAST_WAITING_QUEUE_URL" // of the queue of deliveries that wait
	KMSKey          Name = "HOOKCAST_KMS_KEY"           // ARN of the key that secrets are sealed under
	PublicURL       Name = "HOOKCAST_PUBLIC_URL"        // base address of the API and of /in/{token}, as providers reach it
	InboxPrefix     Name = "HOOKCAST_INBOX_PREFIX"      // what names of nodes' queues begin with
	Signup          Name = "HOOKCAST_SIGNUP"            // "open", or "closed": tenants are the operator's to make
	OperatorKeyHash Name = "HOOKCAST_OPERATOR_KEY_HASH" // SHA-256 of the operator's key, in hexadecimal
	Address         Name = "HOOKCAST_ADDR"              // host:port to listen on
	TargetGroup     Name = "HOOKCAST_TARGET_GROUP_ARN"  // of the balancer that the process is behind; may be missing
	LogLevel        Name = "HOOKCAST_LOG_LEVEL"         // debug, info, warn, error; missing: info
	OwnHosts        Name = "HOOKCAST_OWN_HOSTS"         // hosts that nothing is posted to since they are us, with commas between
	AllowPrivate    Name = "HOOKCAST_ALLOW_PRIVATE"     // "yes" lets endpoints be private addresses, unproven; for development, and missing elsewhere
)

// Env is a process's surroundings.
type Env struct {
	Config aws.Config
	Logger *slog.Logger
	*Metrics

	program string
	began   time.Time
	values  map[Name]string
}

// Start reads the variables that the program needs and the SDK's configuration. Where something is missing it ends the process: one line
// on the standard error, status 1.
func Start(program string, needs ...Name) *Env {
	e, err := Read(context.Background(), program, os.LookupEnv, os.Stdout, needs...)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
		os.Exit(1)
	}
	return e
}

// Read is Start for one who wants the error. Log and metrics go to out.
func Read(ctx context.Context, program string, lookup func(string) (string, bool), out io.Writer, needs ...Name) (*Env, error) {
	e := &Env{program: program, began: time.Now(), values: make(map[Name]string)}
	var missing []string
	for _, name := range needs {
		v, ok := lookup(string(name))
		if !ok || v == "" {
			missing = append(missing, string(name))
		}
		e.values[name] = v
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("missing in the environment: %s", strings.Join(missing, ", "))
	}
	for _, name := range []Name{TargetGroup, LogLevel, AllowPrivate} {
		e.values[name], _ = lookup(string(name))
	}
	if s, ok := e.values[Signup]; ok && s != "open" && s != "closed" {
		return nil, fmt.Errorf("%s is neither open nor closed", Signup)
	}
	if s := e.values[AllowPrivate]; s != "" && s != "yes" {
		return nil, fmt.Errorf("%s is either yes or missing", AllowPrivate)
	}
	var level slog.Level
	if s := e.values[LogLevel]; s != "" {
		if err := level.UnmarshalText([]byte(s)); err != nil {
			return nil, fmt.Errorf("%s is none of debug, info, warn, error", LogLevel)
		}
	}
	lines := &lineWriter{w: out}
	e.Logger = slog.New(slog.NewJSONHandler(lines, &slog.HandlerOptions{Level: level})).With("program", program)
	e.Metrics = &Metrics{out: lines, table: e.values[Table], program: program}
	var err error
	said := logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) { // of requests that it tries again; else it goes to the standard error
		e.Logger.Debug("the AWS SDK", "says", fmt.Sprintf(format, v...))
	})
	if e.Config, err = config.LoadDefaultConfig(ctx, config.WithLogger(said)); err != nil {
		return nil, fmt.Errorf("the configuration of the AWS SDK: %w", err)
	}
	if e.Config.Region == "" {
		return nil, errors.New("missing in the environment: AWS_REGION")
	}
	return e, nil
}

// Get returns a variable that Start was told of.
func (e *Env) Get(name Name) string {
	v, ok := e.values[name]
	if !ok {
		panic("awsenv: " + string(name) + " was not asked for")
	}
	return v
}

// SignupOpen tells whether anybody can sign up.
func (e *Env) SignupOpen() bool { return e.Get(Signup) == "open" }

// AllowsPrivate tells whether endpoints may be private addresses.
func (e *Env) AllowsPrivate() bool { return e.Get(AllowPrivate) == "yes" }

// Must ends the process where err is one: one line, status 1. It names the region, since a table that is missing is mostly in another.
func (e *Env) Must(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s (region %s)\n", e.program, strings.ReplaceAll(err.Error(), "\n", " "), e.Config.Region)
		os.Exit(1)
	}
}

// Ready says that the process serves from now on, and how long it took to get there.
func (e *Env) Ready() {
	e.Logger.Info("ready", "init_ms", time.Since(e.began).Milliseconds())
}
