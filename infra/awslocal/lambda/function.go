// Package lambda runs the functions' binaries on this machine as Lambda does: each environment is a process that asks
// a Runtime API for invocations, one at a time. If an environment crashes or takes too long, it is removed, its
// invocation fails, and the next one gets a new environment.
//
// Unlike on Lambda, an environment keeps running between invocations, and a caller that finds all of them busy waits.
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

// Options describe a Function.
type Options struct {
	Name        string // the name on AWS
	ARN         string
	Binary      string   // path of the bootstrap
	Environment []string // "NAME=value"; Lambda's own variables are added
	Timeout     time.Duration
	MemoryMB    int
	Concurrency int       // maximal number of environments
	Log         io.Writer // gets the function's output, and a line for each environment; best a file
	// Changed, if not nil, is called after an environment was started or removed.
	Changed func()
}

// Function is a function with its environments.
type Function struct {
	o     Options
	slots chan struct{} // one for each environment in use

	mu     sync.Mutex
	idle   []*environment
	all    map[*environment]bool
	closed bool
	inits  []time.Duration
}

// Error says how an invocation failed.
type Error struct {
	Type    string // "Runtime.ExitError", "Sandbox.Timedout", or an error type of the function
	Message string
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

var errClosed = errors.New("lambda: the function is closed")

// New returns a Function. The first Invoke starts its first environment.
func New(o Options) *Function {
	if o.Changed == nil {
		o.Changed = func() {}
	}
	return &Function{o: o, slots: make(chan struct{}, o.Concurrency), all: make(map[*environment]bool)}
}

// Name returns the function's name on AWS.
func (f *Function) Name() string { return f.o.Name }

// Invoke passes payload to an environment and returns its answer, or an *Error. ctx bounds the wait for an
// environment; a running invocation is bounded by the function's timeout alone.
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

// PIDs returns the process ids of the environments.
func (f *Function) PIDs() (pids []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for e := range f.all {
		pids = append(pids, e.child.PID())
	}
	return pids
}

// Inits returns how long each environment took from its start until it asked for an invocation.
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

// Close ends all environments; invocations in progress fail.
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
