package lambda_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/awslocal/lambda"
)

// Started as an environment, the test binary is a function that does what its payload says.
func TestMain(m *testing.M) {
	if api := os.Getenv("AWS_LAMBDA_RUNTIME_API"); api != "" {
		function("http://" + api + "/2018-06-01/runtime/")
	}
	os.Exit(m.Run())
}

func post(url, body string) int {
	res, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		os.Exit(9)
	}
	res.Body.Close()
	return res.StatusCode
}

func function(api string) {
	switch os.Getenv("MODE") {
	case "exits":
		os.Exit(3)
	case "fails":
		post(api+"init/error", `{"errorType":"Config.Missing","errorMessage":"there is no table"}`)
		select {}
	}
	for served := 0; ; served++ {
		res, err := http.Get(api + "invocation/next")
		if err != nil {
			os.Exit(9)
		}
		payload, _ := io.ReadAll(res.Body)
		res.Body.Close()
		id := res.Header.Get("Lambda-Runtime-Aws-Request-Id")
		switch string(payload) {
		case "crash":
			os.Exit(7)
		case "hang":
			select {}
		case "error":
			post(api+"invocation/"+id+"/error", `{"errorType":"errorString","errorMessage":"it did not work"}`)
		case "twice":
			post(api+"invocation/"+id+"/response", "first")
			if post(api+"invocation/"+id+"/response", "second") != 400 {
				os.Exit(9)
			}
		case "large":
			post(api+"invocation/"+id+"/response", strings.Repeat("x", 7<<20))
		case "who":
			fmt.Println("a line of the function's")
			deadline := res.Header.Get("Lambda-Runtime-Deadline-Ms")
			post(api+"invocation/"+id+"/response", fmt.Sprintf("%d %d %s %s %s %v", os.Getpid(),
				served, os.Getenv("AWS_LAMBDA_FUNCTION_NAME"),
				res.Header.Get("Lambda-Runtime-Invoked-Function-Arn"), os.Getenv("OWN"),
				deadline > fmt.Sprint(time.Now().UnixMilli())))
		default:
			post(api+"invocation/"+id+"/response", "echo "+string(payload))
		}
	}
}

// syncBuffer is a log that several goroutines write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newFunction(t *testing.T, concurrency int, timeout time.Duration, environment ...string) (*lambda.Function,
	*syncBuffer) {
	log := &syncBuffer{}
	f := lambda.New(lambda.Options{
		Name: "hookcast-test", ARN: "arn:test", Binary: os.Args[0], Environment: environment, Timeout: timeout,
		MemoryMB: 128, Concurrency: concurrency, Log: log,
	})
	t.Cleanup(f.Close)
	return f, log
}

func invoke(t *testing.T, f *lambda.Function, payload string) (string, *lambda.Error) {
	t.Helper()
	b, err := f.Invoke(t.Context(), []byte(payload))
	if err == nil {
		return string(b), nil
	}
	e, ok := errors.AsType[*lambda.Error](err)
	if !ok {
		t.Fatal(err)
	}
	return "", e
}

func TestAnEnvironmentServesOneAfterTheOther(t *testing.T) {
	f, log := newFunction(t, 4, time.Minute, "OWN=mine")
	first, err := invoke(t, f, "who")
	if err != nil {
		t.Fatal(err)
	}
	second, _ := invoke(t, f, "who")
	pids := f.PIDs()
	if len(pids) != 1 || len(f.Inits()) != 1 {
		t.Fatalf("the environments are %v, initialised in %v, want one", pids, f.Inits())
	}
	for i, got := range []string{first, second} {
		if want := fmt.Sprintf("%d %d hookcast-test arn:test mine true", pids[0], i); got != want {
			t.Errorf("invocation %d: got %q, want %q", i, got, want)
		}
	}
	if got, err := invoke(t, f, "twice"); got != "first" || err != nil {
		t.Errorf("after two answers got %q, %v, want the first", got, err)
	}
	f.Close()
	if !strings.Contains(log.String(), "a line of the function's") || !strings.Contains(log.String(), "INIT_REPORT") {
		t.Errorf("the log is %s", log)
	}
}

func TestAFailedInvocationSaysHow(t *testing.T) {
	f, _ := newFunction(t, 1, 10*time.Second) // long enough for answers on a busy machine
	for _, tt := range []struct {
		payload, kind, says string
		replaced            bool
	}{
		{"error", "errorString", "it did not work", false},
		{"large", "Function.ResponseSizeTooLarge", "", false},
		{"crash", "Runtime.ExitError", "exit status 7", true},
		{"hang", "Sandbox.Timedout", "timed out after 10.00 seconds", true},
	} {
		if got, err := invoke(t, f, "x"); got != "echo x" || err != nil {
			t.Fatalf("before %s: %q, %v", tt.payload, got, err)
		}
		before := f.PIDs()[0]
		_, err := invoke(t, f, tt.payload)
		if err == nil || err.Type != tt.kind || !strings.Contains(err.Message, tt.says) {
			t.Errorf("%s: got the error %v, want %s with %q", tt.payload, err, tt.kind, tt.says)
		}
		if got, err := invoke(t, f, "x"); got != "echo x" || err != nil {
			t.Fatalf("after %s: %q, %v", tt.payload, got, err)
		}
		if after := f.PIDs(); len(after) != 1 || (after[0] != before) != tt.replaced {
			t.Errorf("%s: the environments are %v, before %d", tt.payload, after, before)
		}
	}
}

func TestAnEnvironmentThatCannotBegin(t *testing.T) {
	for mode, want := range map[string]string{"exits": "Runtime.ExitError: the process ended: exit status 3",
		"fails": "Runtime.InitError: Config.Missing: there is no table"} {
		f, _ := newFunction(t, 1, time.Minute, "MODE="+mode)
		if _, err := invoke(t, f, "x"); err == nil || err.Error() != want {
			t.Errorf("%s: got the error %v, want %s", mode, err, want)
		}
		if pids := f.PIDs(); len(pids) != 0 {
			t.Errorf("%s: the environments are %v, want none", mode, pids)
		}
	}
	f := lambda.New(lambda.Options{Binary: t.TempDir() + "/none", Concurrency: 1, Log: io.Discard})
	if _, err := invoke(t, f, "x"); err == nil || err.Type != "Runtime.InvalidEntrypoint" {
		t.Errorf("without a binary got %v, want Runtime.InvalidEntrypoint", err)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	changed := make(chan bool, 8)
	f := lambda.New(lambda.Options{
		Binary: os.Args[0], Timeout: time.Minute, Concurrency: 2, Log: io.Discard, Changed: func() { changed <- true },
	})
	held := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := f.Invoke(context.Background(), []byte("hang"))
			held <- err
		}()
	}
	<-changed
	<-changed
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Invoke(ctx, []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third invocation returned %v, want context.DeadlineExceeded", err)
	}
	f.Close()
	for range 2 {
		if err := <-held; err == nil {
			t.Error("an invocation in progress did not fail")
		}
	}
	if _, err := f.Invoke(t.Context(), []byte("x")); err == nil || len(f.PIDs()) != 0 {
		t.Errorf("after Close got %v and the environments %v", err, f.PIDs())
	}
}
