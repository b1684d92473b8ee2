// Package lambda runs functions' binaries on this machine as Lambda does: each environment is a process that asks a Runtime API for
// invocations, one at a time. An environment that crashes or takes too long is gone, its invocation has failed, and the next one gets a
// new environment.
//
// Unlike on Lambda an environment goes on running between invocations, and who finds all of them busy waits.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
package lambda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Options are what a Function is.
type Options struct {
	Name        string // as on AWS
	ARN         string
	Binary      string   // path of its bootstrap
	Environment []string // "NAME=value", besides what Lambda itself adds
	Timeout     time.Duration
	MemoryMB    int
	Concurrency int       // environments at most
	Log         io.Writer // what the function writes, and a line for each environment; best a file
	// Changed is called whenever an environment has come or gone; nil: never.
	Changed func()
}

// Function is a function's environments.
type Function struct {
	o     Options
	slots chan struct{} // held by whoever uses an environment

	mu     sync.Mutex
	idle   []*environment
	all    map[*environment]bool
	closed bool
	inits  []time.Duration
}

// Error is how an invocation failed.
type Error struct {
	Type    string // "Runtime.ExitError", "Sandbox.Timedout", or the function's own
	Message string
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

var errClosed = errors.New("lambda: the function is closed")

// New makes a Function. Nothing is started before the first Invoke.
func New(o Options) *Function {
	if o.Changed == nil {
		o.Changed = func() {}
	}
	return &Function{o: o, slots: make(chan struct{}, o.Concurrency), all: make(map[*environment]bool)}
}

// Name is the function's name on AWS.
func (f *Function) Name() string { return f.o.Name }

// Invoke hands payload to an environment and returns its answer, or an *Error. ctx bounds the wait for an environment: once one has the
// invocation, only the function's timeout ends it.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-f.slots }()
	e, err := f.take()
	if err != nil {
		return nil, err
	}
	answer, err := e.invoke(payload)
	if e.usable() {
		f.give(e)
	} else {
		f.drop(e)
	}
	return answer, err
}

// take returns an idle environment, or a new one.
func (f *Function) take() (*environment, error) {
	f.mu.Lock()
	for len(f.idle) > 0 {
		e := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		if e.usable() {
			f.mu.Unlock()
			return e, nil
		}
		delete(f.all, e)
		defer f.o.Changed()
		defer e.close()
	}
	closed := f.closed
	f.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	e, err := f.start()
	if err != nil {
		return nil, &Error{"Runtime.InvalidEntrypoint", err.Error()}
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		e.close()
		return nil, errClosed
	}
	f.all[e] = true
	f.mu.Unlock()
	f.o.Changed()
	return e, nil
}

func (f *Function) give(e *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.idle = append(f.idle, e)
	}
}

func (f *Function) drop(e *environment) {
	f.mu.Lock()
	delete(f.all, e)
	f.mu.Unlock()
	e.close()
	f.o.Changed()
}

// PIDs are the process ids of the environments.
func (f *Function) PIDs() (pids []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for e := range f.all {
		pids = append(pids, e.child.PID())
	}
	return pids
}

// Inits are the times that environments took from their start until they asked for an invocation.
func (f *Function) Inits() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Duration(nil), f.inits...)
}

func (f *Function) initialised(took time.Duration) {
	f.mu.Lock()
	f.inits = append(f.inits, took)
	f.mu.Unlock()
	fmt.Fprintf(f.o.Log, "INIT_REPORT Init Duration: %.2f ms\n", float64(took)/float64(time.Millisecond))
}

// Close ends all environments, and what they are at fails.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed, f.idle = true, nil
	all := f.all
	f.all = make(map[*environment]bool)
	f.mu.Unlock()
	for e := range all {
		e.close()
	}
}
