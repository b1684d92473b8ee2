package upstream

import (
	"context"
	"errors"
	"io"
	"time"
)

var (
	errSlow   = errors.New("upstream: no answer in time")
	errSilent = errors.New("upstream: silent for too long")
)

// body is what a connection brings, and ends when nothing comes for too long.
type body struct {
	io.ReadCloser
	idle   time.Duration
	silent *time.Timer
	cancel context.CancelCauseFunc // ends the connection
}

func newBody(r io.ReadCloser, idle time.Duration, cancel context.CancelCauseFunc) *body {
	b := &body{ReadCloser: r, idle: idle, cancel: cancel}
	b.silent = time.AfterFunc(idle, func() { cancel(errSilent) })
	b.silent.Stop()
	return b
}

// Read counts the time of a silence from when somebody waits for it to end: while nobody reads, the other server is the one that waits.
func (b *body) Read(p []byte) (int, error) {
	b.silent.Reset(b.idle)
	defer b.silent.Stop()
	return b.ReadCloser.Read(p)
}

func (b *body) Close() error {
	b.silent.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}
