package sqlite

import (
	"context"
	"sync"
)

// job is one call's part of a batch. Only the writer runs it, and runs it again if the batch was rolled back.
type job struct {
	// run executes the call inside the open transaction. It returns an error only if SQLite fails. It stores the
	// call's result (a refusal, messages) in variables of the caller and overwrites them each time.
	run func(*tx) error

	durable bool // the commit must be on the disk; otherwise it needs to outlive only the process
	bytes   int  // bytes that it writes, roughly

	lane   *lane  // for Receive: the lane of its messages
	forget func() // for Receive: drops the messages that it was given
	waits  bool   // set by run: there are no messages yet, and the job waits for some
	waited bool   // it was added to its lane's waiters and is no longer part of its batch

	done chan error // receives the result; holds one value

	mu      sync.Mutex
	claimed bool // the writer runs it and owns the caller's variables until done
	gone    bool // the caller has given up
}

func newJob(durable bool, bytes int, run func(*tx) error) *job {
	return &job{run: run, durable: durable, bytes: bytes, done: make(chan error, 1)}
}

// claim gives j to the writer unless its caller has given up.
func (j *job) claim() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.claimed = !j.gone
	return j.claimed
}

// park takes j back from the writer, to wait, unless its caller has given up.
func (j *job) park() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.claimed = false
	return !j.gone
}

// fail ends j with an error: nothing was written. A job that waits continues to wait.
func (j *job) fail(err error) {
	if !j.waited {
		j.done <- domainError(err)
	}
}

func (j *job) withdrawn() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.gone
}

// withdraw gives up j. It returns false if the writer is running j. The result then follows soon; if j would have to
// wait, it ends without messages.
func (j *job) withdraw() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gone = true
	return !j.claimed
}

// do submits j and waits for its result. Once it returns, the call's arguments are no longer used.
func (w *writer) do(ctx context.Context, j *job) error {
	if err := w.submit(ctx, j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		if j.withdraw() {
			return contextError(ctx)
		}
		return <-j.done
	}
}

// submit sends j to the writer.
func (w *writer) submit(ctx context.Context, j *job) error {
	if err := contextError(ctx); err != nil {
		return err
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return errClosed
	}
	select {
	case w.jobs <- j:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}
