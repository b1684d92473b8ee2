package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/hookcast/hookcast/infra/awslocal/lambda"
	"github.com/hookcast/hookcast/infra/operatorkey"
	"github.com/hookcast/hookcast/infra/stacks"
)

const (
	stack    = "hookcast"
	apiHost  = "api.awslocal.invalid" // placeholder for the front's address
	stopTime = 5 * time.Second        // how long a child may take to end by itself
)

// local is a deployment on this machine.
type local struct {
	c          config
	log        *slog.Logger
	deployment *stacks.Deployment
	cloud      *cloud
	streamARN  string
	binaries   map[string]string // paths, by the names of functions and "streamerd"
	logs       []*os.File
	functions  map[string]*lambda.Function
	streamers  []*streamer
	front      *http.Server
	ready      chan struct{} // closed once everything serves
	release    func()        // releases the folder; nil if it is not held

	mu sync.Mutex // guards the file "processes"
}

func newLocal(c config) *local {
	if c.invoking == nil {
		c.invoking = func(_ string, invoke invoker) invoker { return invoke }
	}
	return &local{c: c, ready: make(chan struct{}), functions: make(map[string]*lambda.Function),
		binaries: make(map[string]string)}
}

// serve creates the deployment and serves until ctx ends.
func (l *local) serve(ctx context.Context, stdout io.Writer) error {
	ln, err := net.Listen("tcp", l.c.api)
	if err != nil {
		return err
	}
	defer ln.Close()
	for _, addr := range l.c.streams { // the nodes would retry a used address forever
		free, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		free.Close()
	}
	defer l.close()
	if err := l.open(ctx, stdout); err != nil {
		if ctx.Err() != nil {
			return nil // violation to end during the start
		}
		return err
	}
	return l.run(ctx, ln, stdout)
}

// open creates everything that must exist before anything runs.
func (l *local) open(ctx context.Context, stdout io.Writer) error {
	if err := os.MkdirAll(filepath.Join(l.c.data, "logs"), 0o700); err != nil {
		return err
	}
	var err error
	if l.release, err = hold(l.c.data); err != nil {
		return err
	}
	main, err := l.logFile("awslocal")
	if err != nil {
		return err
	}
	l.log = slog.New(slog.NewJSONHandler(main, nil))
	hash, err := operatorkey.Hash(filepath.Join(l.c.data, "operator.key"))
	if err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "Building and starting. The first time this takes a few minutes and two downloads.")
	template, err := stacks.Load(filepath.Join(root, "template.yaml"))
	if err != nil {
		return err
	}
	deploy := func(queueURL func(name string) string) (err error) {
		l.deployment, err = template.Deploy(stack, stacks.Place{Region: region, Account: accountID, QueueURL: queueURL},
			map[string]string{
				"ApiDomainName": apiHost, "StreamDomainName": "stream.awslocal.invalid", "OperatorKeyHash": hash,
				"CertificateArn":   "arn:aws:acm:" + region + ":" + accountID + ":certificate/none",
				"StreamerImageTag": "local",
			})
		return err
	}
	if err := deploy(func(name string) string { return name }); err != nil { // yields the key and the queues
		return err
	}
	if l.cloud, err = openCloud(ctx, l.deployment.Function("admin").Environment["HOOKCAST_KMS_KEY"],
		l.c.through); err != nil {
		return err
	}
	if err := l.cloud.makeQueues(ctx, l.deployment.Queues); err != nil {
		return err
	}
	if err := deploy(func(name string) string { return l.cloud.urls[name] }); err != nil {
		return err
	}
	if len(l.deployment.Tables) != 1 || len(l.deployment.Tasks) != 1 {
		return errors.New("template.yaml must have exactly one table and one task")
	}
	if l.streamARN, err = l.cloud.makeTable(ctx, l.deployment.Tables[0]); err != nil {
		return err
	}
	return l.make(ctx, root)
}

// make builds the binaries and creates the functions and nodes that run them.
func (l *local) make(ctx context.Context, root string) error {
	into := filepath.Join(l.c.data, "build")
	into, err := filepath.Abs(into)
	if err != nil {
		return err
	}
	for _, f := range l.deployment.Functions {
		binary, err := build(ctx, root, into, f.Name, "functions/"+f.Name+"/bootstrap")
		if err != nil {
			return err
		}
		out, err := l.logFile(f.Name)
		if err != nil {
			return err
		}
		l.functions[f.Name] = lambda.New(lambda.Options{
			Name: f.FullName, ARN: f.ARN, Binary: binary, Environment: l.environment(f.Environment), Timeout: f.Timeout,
			MemoryMB:    f.MemoryMB,
			Concurrency: l.c.concurrency, Log: out, Changed: l.processes,
		})
	}
	binary, err := build(ctx, root, into, "streamerd", "streamer/streamerd")
	if err != nil {
		return err
	}
	for i, addr := range l.c.streams {
		name := fmt.Sprintf("streamer-%d", i+1)
		out, err := l.logFile(name)
		if err != nil {
			return err
		}
		environment := map[string]string{}
		for k, v := range l.deployment.Tasks[0].Environment {
			environment[k] = v
		}
		environment["HOOKCAST_ADDR"] = addr
		delete(environment, "HOOKCAST_TARGET_GROUP_ARN") // this machine has no load balancer
		l.streamers = append(l.streamers, &streamer{
			name: name, binary: binary, environment: l.environment(environment), out: out, log: l.log,
			changed: l.processes, ready: l.ready,
		})
	}
	return nil
}

// environment returns the variables that the template gives to a process, with this machine's addresses, and those
// that AWS adds.
func (l *local) environment(from map[string]string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
		"AWS_ACCESS_KEY_ID=awslocal", "AWS_SECRET_ACCESS_KEY=awslocal", "AWS_EC2_METADATA_DISABLED=true",
	}
	if l.c.allowPrivate {
		env = append(env, "HOOKCAST_ALLOW_PRIVATE=yes")
	}
	for name, v := range from {
		env = append(env, name+"="+strings.ReplaceAll(strings.ReplaceAll(v, "https://"+apiHost, "http://"+l.c.api),
			apiHost, l.c.api))
	}
	return append(env, l.cloud.endpoints...)
}

func (l *local) logFile(name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(l.c.data, "logs", name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		l.logs = append(l.logs, f)
	}
	return f, err
}

// run serves until ctx ends, and then stops everything.
func (l *local) run(ctx context.Context, ln net.Listener, stdout io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	failed := make(chan error, 1) // the first failure causes the later ones
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
		cancel()
	}
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	for _, s := range l.streamers {
		all.Go(func() {
			if err := s.run(ctx); err != nil {
				fail(err)
			}
		})
	}
	l.invokers(ctx, &all)
	l.front = &http.Server{Handler: l.handler(), ReadHeaderTimeout: 30 * time.Second,
		BaseContext: func(net.Listener) context.Context {
			return ctx
		}}
	all.Go(func() {
		if err := l.front.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			fail(err)
		}
	})
	all.Go(func() {
		if err := l.warm(ctx); err != nil {
			if ctx.Err() == nil {
				fail(err)
			}
			return
		}
		close(l.ready)
		l.c.greet(stdout)
	})
	select {
	case <-ctx.Done():
	case <-l.cloud.dynamodb.Ended():
		fail(errors.New("DynamoDB Local ended unexpectedly"))
	case <-l.cloud.sqs.Ended():
		fail(errors.New("the SQS server ended unexpectedly"))
	}
	ending, done := context.WithTimeout(context.Background(), stopTime)
	defer done()
	_ = l.front.Shutdown(ending)
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// invokers starts the queue pollers, stream pollers and schedules that call functions.
func (l *local) invokers(ctx context.Context, all *sync.WaitGroup) {
	for _, source := range l.deployment.Sources {
		invoke := l.c.invoking(source.Function.Name, l.functions[source.Function.Name].Invoke)
		if source.Queue != nil {
			p := &queuePoller{queues: l.cloud.queues, source: source, url: l.cloud.urls[source.Queue.Name],
				invoke: invoke, log: l.log}
			all.Go(func() { p.run(ctx, l.c.concurrency) })
			continue
		}
		d := &delivery{source: source, invoke: invoke, note: l.noter(source), pause: backOff, log: l.log,
			begun: make(map[string]bool)}
		p := &streamPoller{streams: l.cloud.streams, arn: l.streamARN, source: source, deliver: d, log: l.log}
		all.Go(func() { p.run(ctx) })
	}
	for _, s := range l.deployment.Schedules {
		all.Go(func() {
			for sleep(ctx, s.Every); ctx.Err() == nil; sleep(ctx, s.Every) {
				if _, err := l.functions[s.Function.Name].Invoke(ctx, []byte(`{"source":"aws.events"}`)); err != nil {
					l.log.Warn("a scheduled function failed", "function", s.Function.Name, "error", err)
				}
			}
		})
	}
}

// noter returns a function that reports failures to the mapping's destination, in the format of
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html.
func (l *local) noter(source *stacks.EventSource) func(context.Context, failure) error {
	return func(ctx context.Context, f failure) error {
		body, err := json.Marshal(map[string]any{
			"version": "1.0", "timestamp": time.Now().UTC(),
			"requestContext": map[string]any{"functionArn": source.Function.ARN, "condition": f.Condition,
				"approximateInvokeCount": f.Tries},
			"DDBStreamBatchInfo": map[string]any{
				"shardId": f.Shard, "startSequenceNumber": f.First, "endSequenceNumber": f.Last, "batchSize": f.Size,
				"streamArn": l.streamARN,
			},
		})
		if err != nil {
			return err
		}
		_, err = l.cloud.queues.SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: aws.String(l.cloud.urls[source.OnFailure.Name]), MessageBody: aws.String(string(body)),
		})
		return err
	}
}

// backOff waits between two attempts of a batch. Lambda does not document its own pause.
func backOff(ctx context.Context, try int) {
	sleep(ctx, min(50*time.Millisecond<<min(try, 10), time.Second))
}

// close releases everything that run did not.
func (l *local) close() {
	for _, f := range l.functions {
		f.Close()
	}
	if l.cloud != nil {
		l.cloud.close()
	}
	for _, f := range l.logs {
		f.Close()
	}
	if l.release != nil {
		l.release()
	}
}
