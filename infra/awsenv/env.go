// Package awsenv provides the environment of a process on AWS: its variables, the SDK's configuration, a log of JSON
// lines, and metrics in CloudWatch's embedded format. If something is missing, the process exits with one line that
// says so, before it serves requests.
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

// Name is the name of an environment variable.
type Name string

// The environment variables of Hookcast's processes.
const (
	Table           Name = "HOOKCAST_TABLE"             // name of the DynamoDB table
	IngestQueue     Name = "HOOKCAST_INGEST_QUEUE_URL"  // URL of the FIFO queue of events that are not yet in the log
	DeliverQueue    Name = "HOOKCAST_DELIVER_QUEUE_URL" // URL of the FIFO queue of deliveries that are ready
	WaitingQueue    Name = "HOOKCAST_WAITING_QUEUE_URL" // URL of the queue of deliveries that wait
	KMSKey          Name = "HOOKCAST_KMS_KEY"           // ARN of the key that secrets are sealed under
	PublicURL       Name = "HOOKCAST_PUBLIC_URL"        // base URL of the API and of /in/{token}, as providers use it
	InboxPrefix     Name = "HOOKCAST_INBOX_PREFIX"      // prefix of the names of nodes' queues
	Signup          Name = "HOOKCAST_SIGNUP"            // "open", or "closed" if only the operator creates tenants
	OperatorKeyHash Name = "HOOKCAST_OPERATOR_KEY_HASH" // SHA-256 of the operator's key, in hexadecimal
	Address         Name = "HOOKCAST_ADDR"              // host:port to listen on
	TargetGroup     Name = "HOOKCAST_TARGET_GROUP_ARN"  // ARN of the load balancer's target group; optional
	LogLevel        Name = "HOOKCAST_LOG_LEVEL"         // debug, info, warn or error; optional, default info
	// this deployment's own hosts, separated by commas; nothing is posted to them
	OwnHosts Name = "HOOKCAST_OWN_HOSTS"
	// "yes" allows private addresses for endpoints, without proof of ownership; for development only
	AllowPrivate Name = "HOOKCAST_ALLOW_PRIVATE"
)

// Env is the environment of a process.
type Env struct {
	Config aws.Config
	Logger *slog.Logger
	*Metrics

	program string
	began   time.Time
	values  map[Name]string
}

// Start reads the variables that the program needs and the SDK's configuration. If something is missing, it prints
// one line to stderr and exits with status 1.
func Start(program string, needs ...Name) *Env {
	e, err := Read(context.Background(), program, os.LookupEnv, os.Stdout, needs...)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
		os.Exit(1)
	}
	return e
}

// Read is like Start but returns the error. Log and metrics are written to out.
func Read(
	ctx context.Context, program string, lookup func(string) (string, bool), out io.Writer, needs ...Name,
) (*Env, error) {
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
		return nil, fmt.Errorf("%s must be open or closed", Signup)
	}
	if s := e.values[AllowPrivate]; s != "" && s != "yes" {
		return nil, fmt.Errorf("%s must be yes or missing", AllowPrivate)
	}
	var level slog.Level
	if s := e.values[LogLevel]; s != "" {
		if err := level.UnmarshalText([]byte(s)); err != nil {
			return nil, fmt.Errorf("%s must be debug, info, warn or error", LogLevel)
		}
	}
	lines := &lineWriter{w: out}
	e.Logger = slog.New(slog.NewJSONHandler(lines, &slog.HandlerOptions{Level: level})).With("program", program)
	e.Metrics = &Metrics{out: lines, table: e.values[Table], program: program}
	var err error
	// The SDK logs retries. By default it writes them to stderr.
	sdk := logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
		e.Logger.Debug("message of the AWS SDK", "says", fmt.Sprintf(format, v...))
	})
	if e.Config, err = config.LoadDefaultConfig(ctx, config.WithLogger(sdk)); err != nil {
		return nil, fmt.Errorf("cannot load the configuration of the AWS SDK: %w", err)
	}
	if e.Config.Region == "" {
		return nil, errors.New("missing in the environment: AWS_REGION")
	}
	return e, nil
}

// Get returns a variable that was named to Start or is optional. It panics for other variables.
func (e *Env) Get(name Name) string {
	v, ok := e.values[name]
	if !ok {
		panic("awsenv: " + string(name) + " was not named to Start")
	}
	return v
}

// SignupOpen reports whether anybody can sign up.
func (e *Env) SignupOpen() bool { return e.Get(Signup) == "open" }

// AllowsPrivate reports whether endpoints may have private addresses.
func (e *Env) AllowsPrivate() bool { return e.Get(AllowPrivate) == "yes" }

// Must exits with status 1 if err is not nil, after one line to stderr. The line names the region, because a missing
// table is usually in a different one.
func (e *Env) Must(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s (region %s)\n", e.program, strings.ReplaceAll(err.Error(), "\n", " "),
			e.Config.Region)
		os.Exit(1)
	}
}

// Ready logs that the process is ready to serve, and how long its start took.
func (e *Env) Ready() {
	e.Logger.Info("ready", "init_ms", time.Since(e.began).Milliseconds())
}
