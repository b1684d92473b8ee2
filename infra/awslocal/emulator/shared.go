package emulator

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// Shared is one server for all tests of a binary: the first test that needs it starts it, and TestMain stops it.
//
//	var server = emulator.Share(emulator.DynamoDB)
//
//	func TestMain(m *testing.M) {
//		code := m.Run()
//		server.Stop()
//		os.Exit(code)
//	}
type Shared struct {
	start  func(context.Context) (*Server, error)
	once   sync.Once
	server *Server
	err    error
}

// TB is the part of testing.TB that Shared needs.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Share returns a Shared of DynamoDB or SQS that is not started yet.
func Share(start func(context.Context) (*Server, error)) *Shared { return &Shared{start: start} }

// URL returns the server's URL, and starts it if necessary. If this machine lacks a program for it, the test is
// skipped; with CI=true it fails instead.
func (s *Shared) URL(t TB) string {
	t.Helper()
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		s.server, s.err = s.start(ctx)
	})
	if s.err == nil {
		return s.server.URL
	}
	if _, ok := errors.AsType[*MissingError](s.err); ok && os.Getenv("CI") != "true" {
		t.Skipf("%v", s.err)
	}
	t.Fatalf("%v", s.err)
	return ""
}

// Stop ends the server, if a test started it.
func (s *Shared) Stop() {
	s.once.Do(func() { s.err = errors.New("stopped before it was started") })
	if s.server != nil {
		s.server.Stop()
	}
}
