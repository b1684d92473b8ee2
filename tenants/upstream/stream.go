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

// Bounds of how fast a stream comes back to a server. An EventSource's own time to wait is the browser's choice; most have 3 s.
const (
	usualRetry   = 3 * time.Second
	leastRetry   = 200 * time.Millisecond
	longestPause = time.Minute
)

// What is taken together by the sink.
const (
	batchEvents = 64
	batchBytes  = 128 << 10
)

// Stream is an upstream. One goroutine runs it.
type Stream struct {
	o      Options
	first  *body // of the connection that Open made; nil: it said that there is nothing
	lastID string
	retry  time.Duration
	until  time.Time
}

// Open connects for the first time, so that whoever asked for the stream learns whether there is one: kind BadGateway where not. ctx is
// for the whole stream. Who does not Run the Stream closes it.
func Open(ctx context.Context, o Options) (*Stream, error) {
	s := &Stream{o: o, lastID: o.LastID, retry: usualRetry, until: time.Now().Add(o.Total)}
	var err error
	s.first, err = s.try(ctx, false)
	if err != nil && !errors.Is(err, errNoContent) {
		return nil, err
	}
	return s, nil
}

// try connects, and tells who wants to know.
func (s *Stream) try(ctx context.Context, again bool) (*body, error) {
	conn, err := s.connect(ctx)
	if known, _ := errors.AsType[*tenants.Error](err); s.o.Tried != nil && ctx.Err() == nil && (err == nil || known != nil) { // 204 is neither
		s.o.Tried(again, err)
	}
	return conn, err
}

// Close lets go of a Stream that was not run.
func (s *Stream) Close() {
	if s.first != nil {
		s.first.Close()
	}
}

// LastID is where the stream would go on from. It is for who runs it.
func (s *Stream) LastID() string { return s.lastID }

// Run gives what comes to the sink until the stream ends.
func (s *Stream) Run(ctx context.Context, sink Sink) End {
	ctx, cancel := context.WithDeadline(ctx, s.until)
	defer cancel()
	conn := s.first
	for failures := 0; conn != nil; {
		stop := context.AfterFunc(ctx, func() { conn.cancel(nil) })
		some, err := s.read(ctx, conn, sink)
		stop()
		conn.Close()
		if end, over := s.over(ctx, err); over {
			return end
		}
		if some {
			failures = 0
		} else {
			failures++ // a server that ends each answer at once
		}
		if conn, err = s.again(ctx, failures); err != nil {
			end, _ := s.over(ctx, err)
			return end
		}
		if s.lastID != "" && resumable(s.lastID) || conn == nil {
			continue
		}
		if err := sink.Gap(ctx); err != nil {
			conn.Close()
			end, _ := s.over(ctx, refusedError{err})
			return end
		}
	}
	return End{Reason: Ended}
}

// refusedError is an error of the sink's.
type refusedError struct{ error }

// over tells whether a stream is over for good after err, and how.
func (s *Stream) over(ctx context.Context, err error) (End, bool) {
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
		e := tenants.Errorf(tenants.BadGateway, "upstream_event_too_large", "The other server sent an event of more than %d bytes.", s.o.EventBytes)
		return End{Reason: Failed, Err: e}, true
	case known:
		return End{Reason: Failed, Err: upstreams}, true
	case s.o.Reconnect:
		return End{}, false
	case errors.Is(err, io.EOF):
		return End{Reason: Ended}, true
	}
	return End{Reason: Cut, Err: tenants.Errorf(tenants.BadGateway, "upstream_cut", "The connection to the other server broke.")}, true
}

// read gives a connection's events to the sink until it ends, and tells whether there were some.
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
			s.lastID = d.LastID() // which moves without an event, too
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
		if !some && beganAnew(s.lastID, batch) {
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

// beganAnew tells whether the first events behind lastID show that the other server has not gone on from there: it counts, and counts from
// the beginning again. Others that do not go on cannot be told from those that do.
func beganAnew(lastID string, batch []eventstream.Event) bool {
	last, err := strconv.ParseUint(lastID, 10, 64)
	if err != nil {
		return false
	}
	first, err := strconv.ParseUint(batch[0].ID, 10, 64)
	return err == nil && first < last
}

// again connects again, and tries until it has: nil where the other server says that there is no more. An error is for good.
func (s *Stream) again(ctx context.Context, failures int) (*body, error) {
	var asked time.Duration
	for ; ; failures++ {
		if err := rest(ctx, max(s.pause(failures), asked)); err != nil {
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
		if e.RetryAfter != comeBack {
			asked = e.RetryAfter
		}
	}
}

// pause is how long to wait after so many failures in a row: what the stream asks for, doubling with each.
func (s *Stream) pause(failures int) time.Duration {
	d := max(s.retry, leastRetry)
	for ; failures > 0 && d < longestPause; failures-- {
		d = min(2*d, longestPause)
	}
	return d + rand.N(d/10+1)
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
