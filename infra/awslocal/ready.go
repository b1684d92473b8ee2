package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// handler returns the gateway's front with awslocal's own /readyz.
func (l *local) handler() http.Handler {
	gateway := &front{routes: l.deployment.Routes, functions: l.functions}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/readyz" {
			gateway.ServeHTTP(w, r)
			return
		}
		select {
		case <-l.ready:
			_, _ = w.Write([]byte("ready\n"))
		default:
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		}
	})
}

// warm returns once every function has answered and every node is ready, so that the first requests do not wait for
// processes to start.
func (l *local) warm(ctx context.Context) error {
	request := func(method, path string) any {
		e := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: path}
		e.RequestContext.HTTP.Method = method
		return e
	}
	for name, event := range map[string]any{
		"ingest": request(http.MethodHead, "/in/x"), "admin": request(http.MethodGet, "/healthz"),
		"append": events.SQSEvent{}, "changes": events.DynamoDBEvent{}, "deliver": events.SQSEvent{},
		"sweep": map[string]string{},
	} {
		payload, err := json.Marshal(event)
		if err != nil {
			return err
		}
		f := l.functions[name]
		if f == nil {
			return fmt.Errorf("template.yaml has no function %s", name)
		}
		if _, err := f.Invoke(ctx, payload); err != nil && ctx.Err() == nil {
			return fmt.Errorf("the function %s failed: %w; see %s", name, err, filepath.Join(l.c.data, "logs"))
		}
	}
	for _, addr := range l.c.streams {
		if err := awaitReady(ctx, "http://"+addr+"/readyz"); err != nil {
			return fmt.Errorf("%w; see %s", err, filepath.Join(l.c.data, "logs"))
		}
	}
	return ctx.Err()
}

// awaitReady polls for up to a minute until url answers 200.
func awaitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		sleep(ctx, 50*time.Millisecond)
	}
	return fmt.Errorf("%s is not ready after a minute", url)
}

// processes writes the file of running processes, a name and a process id on each line, for users and for tests that
// kill them.
func (l *local) processes() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for name, f := range l.functions {
		for _, pid := range f.PIDs() {
			lines = append(lines, fmt.Sprintf("%s %d\n", name, pid))
		}
	}
	for _, s := range l.streamers {
		if pid := s.pid(); pid != 0 {
			lines = append(lines, fmt.Sprintf("%s %d\n", s.name, pid))
		}
	}
	slices.Sort(lines)
	path := filepath.Join(l.c.data, "processes")
	if os.WriteFile(path+".new", []byte(strings.Join(lines, "")), 0o600) == nil {
		_ = os.Rename(path+".new", path)
	}
}
