package sqlite

import (
	"context"
	"sync"
)

// job is one call's part of a batch. The writer alone runs it, once or, where a batch had to be taken back, again.
type job struct {
	// run does the call inside the open transaction. It returns an error where SQLite failed; what the port answers (a refusal, messages)
	// it leaves in variables of the call's, anew each time.
	run func(*tx) error

	durable bool // the commit must be on the disk; without it, it must outlive the process only
	bytes   int  // roughly how much it writes

	lane   *lane  // of a receive: where its messages come from
	forget func() // of a receive: drops the messages that it was given
	waits  bool   // set by run: there are none yet, and the job waits for them
	waited bool   // it was put to its lane's waiters: no longer part of its batch

	done chan error // receives the outcome; holds one

	mu      sync.Mutex
	claimed bool // the writer has it: the caller's variables are the writer's until done
	gone    bool // the caller does not want it any more
}

func newJob(durable bool, bytes int, run func(*tx) error) *job {
	return &job{run: run, durable: durable, bytes: bytes, done: make(chan error, 1)}
}

// claim makes j the writer's, unless its caller has gone.
func (j *job) claim() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.claimed = !j.gone
	return j.claimed
}

// park gives j back to wait, unless its caller has gone meanwhile.
func (j *job) park() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.claimed = false
	return !j.gone
}

// fail tells j's caller that nothing was done; one that has come to wait goes on waiting.
func (j *job) fail(err error) {
	if !j.waited {
		j.done <- engine(err)
	}
}

func (j *job) withdrawn() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.gone
}

// withdraw ends the caller's wish for j. It returns false where the writer is at it: then its outcome comes soon, or the writer finds that
// it should wait, and answers that there is nothing.
func (j *job) withdraw() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gone = true
	return !j.claimed
}

// do hands j to the writer and waits for its outcome. When it returns, nobody uses the call's arguments any more.
func (w *writer) do(ctx context.Context, j *job) error {
	if err := w.submit(ctx, j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		if j.withdraw() {
			return ended(ctx)
		}
		return <-j.done
	}
}

// submit puts j into the writer's line.
func (w *writer) submit(ctx context.Context, j *job) error {
	if err := ended(ctx); err != nil {
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
		return ended(ctx)
	}
}
