package upstream

import (
	"context"
	"errors"
	"io"
	"time"
)

var (
	errSlow   = errors.New("upstream: the answer did not arrive in time")
	errSilent = errors.New("upstream: the connection was silent for too long")
)

// body is the body of an answer. It ends when nothing arrives for too long.
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

// Read counts silence only while a reader waits: while nobody reads, the other server waits for us.
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
