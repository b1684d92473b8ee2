package upstream

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
)

// Bounds of the pause before a reconnect. The default of an EventSource is the browser's choice; most use 3 s.
const (
	defaultRetry = 3 * time.Second
	minRetry     = 200 * time.Millisecond
	maxPause     = time.Minute
)

// Bounds of a batch for the sink.
const (
	batchEvents = 64
	batchBytes  = 128 << 10
)

// Stream is an event stream of another server. One goroutine runs it.
type Stream struct {
	o      Options
	first  *body // of the first connection; nil after a 204
	lastID string
	retry  time.Duration
	until  time.Time
}

// Open makes the first connection, so the caller learns whether the stream exists; if not, the error is of kind
// BadGateway. ctx covers the whole stream. A caller that does not Run the Stream must Close it.
func Open(ctx context.Context, o Options) (*Stream, error) {
	s := &Stream{o: o, lastID: o.LastID, retry: defaultRetry, until: time.Now().Add(o.Total)}
	var err error
	s.first, err = s.try(ctx, false)
	if err != nil && !errors.Is(err, errNoContent) {
		return nil, err
	}
	return s, nil
}

// try connects, and reports the attempt to Tried.
func (s *Stream) try(ctx context.Context, again bool) (*body, error) {
	conn, err := s.connect(ctx)
	// 204 is neither
	if known, _ := errors.AsType[*tenants.Error](err); s.o.Tried != nil && ctx.Err() == nil &&
		(err == nil || known != nil) {
		s.o.Tried(again, err)
	}
	return conn, err
}

// Close releases a Stream that was not run.
func (s *Stream) Close() {
	if s.first != nil {
		s.first.Close()
	}
}

// LastID returns the id to resume after. Only the goroutine of Run may call it.
func (s *Stream) LastID() string { return s.lastID }

// Run passes the stream to the sink until it ends.
func (s *Stream) Run(ctx context.Context, sink Sink) End {
	ctx, cancel := context.WithDeadline(ctx, s.until)
	defer cancel()
	conn := s.first
	for failures := 0; conn != nil; {
		stop := context.AfterFunc(ctx, func() { conn.cancel(nil) })
		some, err := s.read(ctx, conn, sink)
		stop()
		conn.Close()
		if end, over := s.endOf(ctx, err); over {
			return end
		}
		if some {
			failures = 0
		} else {
			failures++ // a server that ends each answer at once
		}
		if conn, err = s.reconnect(ctx, failures); err != nil {
			end, _ := s.endOf(ctx, err)
			return end
		}
		if s.lastID != "" && resumable(s.lastID) || conn == nil {
			continue
		}
		if err := sink.Gap(ctx); err != nil {
			conn.Close()
			end, _ := s.endOf(ctx, refusedError{err})
			return end
		}
	}
	return End{Reason: Ended}
}

// refusedError is an error returned by the sink.
type refusedError struct{ error }

// endOf returns how a stream ended after err, and whether it has ended at all.
func (s *Stream) endOf(ctx context.Context, err error) (End, bool) {
	refused, sinks := errors.AsType[refusedError](err)
	upstreams, known := errors.AsType[*tenants.Error](err)
	switch {
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded) && !time.Now().Before(s.until):
		return End{Reason: TimeUp}, true
	case ctx.Err() != nil:
		return End{Reason: Canceled}, true
	case sinks:
		return End{Reason: Refused, Err: refused.error}, true
	case errors.Is(err, eventstream.ErrTooLong):
		e := tenants.Errorf(tenants.BadGateway, "upstream_event_too_large",
			"the other server sent an event of more than %d bytes", s.o.EventBytes)
		return End{Reason: Failed, Err: e}, true
	case known:
		return End{Reason: Failed, Err: upstreams}, true
	case s.o.Reconnect:
		return End{}, false
	case errors.Is(err, io.EOF):
		return End{Reason: Ended}, true
	}
	return End{Reason: Cut, Err: tenants.Errorf(tenants.BadGateway, "upstream_cut",
		"the connection to the other server broke")}, true
}

// read passes a connection's events to the sink until it ends, and reports whether there were any.
func (s *Stream) read(ctx context.Context, conn *body, sink Sink) (some bool, err error) {
	d := eventstream.NewDecoder(conn, s.o.EventBytes)
	d.Resume(s.lastID)
	batch := make([]eventstream.Event, 0, 8)
	for {
		e, err := d.Next()
		if t := d.Retry(); t > 0 {
			s.retry = t
		}
		if err != nil {
			s.lastID = d.LastID() // it moves without an event, too
			return some, err
		}
		var failed error
		for size, more := 0, true; more; e, more, failed = d.Ready() {
			batch = append(batch, e)
			if size += len(e.Data); len(batch) == batchEvents || size > batchBytes {
				break
			}
		}
		lastID := batch[len(batch)-1].ID
		if !some && restarted(s.lastID, batch) {
			if err := sink.Gap(ctx); err != nil {
				return some, refusedError{err}
			}
		}
		if err := sink.Events(ctx, batch, lastID); err != nil {
			return some, refusedError{err}
		}
		s.lastID, some = lastID, true
		clear(batch)
		batch = batch[:0]
		if failed != nil {
			return some, failed
		}
	}
}

// restarted reports whether the first events after lastID show that the other server has restarted its numbering. It
// detects this only for ids that are numbers.
func restarted(lastID string, batch []eventstream.Event) bool {
	last, err := strconv.ParseUint(lastID, 10, 64)
	if err != nil {
		return false
	}
	first, err := strconv.ParseUint(batch[0].ID, 10, 64)
	return err == nil && first < last
}

// reconnect tries until it has a connection; nil means that the other server answered 204. An error is final.
func (s *Stream) reconnect(ctx context.Context, failures int) (*body, error) {
	var asked time.Duration
	for ; ; failures++ {
		if err := sleep(ctx, max(s.pause(failures), asked)); err != nil {
			return nil, err
		}
		conn, err := s.try(ctx, true)
		if err == nil || errors.Is(err, errNoContent) {
			return conn, nil
		}
		e, known := errors.AsType[*tenants.Error](err)
		if !known || e.RetryAfter == 0 {
			return nil, err
		}
		asked = 0
		if e.RetryAfter != defaultRetryAfter {
			asked = e.RetryAfter
		}
	}
}

// pause returns the wait after a number of consecutive failures: the stream's retry time, doubled for each.
func (s *Stream) pause(failures int) time.Duration {
	d := max(s.retry, minRetry)
	for ; failures > 0 && d < maxPause; failures-- {
		d = min(2*d, maxPause)
	}
	return d + rand.N(d/10+1)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
