package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants/eventstream"
)

const (
	retryMin, retryMax = time.Second, 30 * time.Second

	maxFrame   = 32 << 20 // bytes of an event on the wire
	readAhead  = 64       // frames that may wait while an earlier one is handled
	ownPrefix  = "hookcast."
	eventsType = "text/event-stream"
)

// follower keeps a stream of channels open and reconnects until it ends for good. Only the event that was being
// handled when the program stopped is handed over again, and lost events are reported.
type follower struct {
	client   *client
	channels []string
	cursor   string     // after the last event that was handled; "" to begin with new events
	query    url.Values // parameters besides the channels: the format of events
	// take handles an event. An error ends the follower.
	take func(ctx context.Context, data []byte) error
	// moved is called with each new cursor, say with messages for the user. Either may be nil.
	moved func(cursor string)
	say   func(format string, args ...any)

	patience patience

	opened, ever bool               // whether the last attempt, or any attempt, opened a stream
	woke         chan time.Duration // receives how long the machine slept
}

// end says why a stream ended and what to do next.
type end struct {
	why   string        // message for the user
	after time.Duration // pause before the next attempt; 0 for the usual backoff
	now   bool          // reconnect without a pause
	fatal error         // do not reconnect
	done  bool          // do not reconnect: all channels have ended
}

// run follows the stream. It returns nil once ctx ends or all channels have ended, and an error if Hookcast refuses
// for good. It does not retry the first connection: a failure is usually a wrong address, and the user is there to
// see the error. Later it retries forever.
func (f *follower) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f.woke = make(chan time.Duration, 1)
	go f.patience.watch(ctx, func(slept time.Duration) {
		f.client.http.CloseIdleConnections() // they are dead too
		select {
		case f.woke <- slept:
		default: // it is about to reconnect anyway
		}
	})
	for wait := retryMin; ; {
		f.opened = false
		e := f.connect(ctx)
		switch {
		case ctx.Err() != nil || e.done:
			return nil
		case e.fatal != nil:
			return e.fatal
		case e.now:
			wait = retryMin
			if f.say != nil {
				f.say("%s: %s; reconnecting now", f.client.Stream, e.why)
			}
			continue
		case f.opened:
			wait = retryMin
		}
		pause := e.after
		if pause == 0 {
			pause = wait/2 + rand.N(wait/2)
			wait = min(2*wait, retryMax)
		}
		if f.say != nil {
			f.say("%s: %s; reconnecting in %s", f.client.Stream, e.why, pause.Round(100*time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.woke: // the failure was before the sleep
			wait = retryMin
		case <-time.After(pause):
		}
	}
}

// unreached returns the end of an attempt that got no response from Hookcast.
func (f *follower) unreached(err error) end {
	if _, slept := errors.AsType[*sleptError](err); slept {
		return end{why: err.Error(), now: true}
	}
	if f.ever {
		return end{why: explain(err)}
	}
	return end{fatal: failed(exitUnreachable, "cannot stream from %s: %s", f.client.Stream, explain(err))}
}

// connect opens one stream and reads it to its end.
func (f *follower) connect(ctx context.Context) end {
	whole := ctx // the event in progress is handled to its end even if the stream ends
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	q := url.Values{"channel": f.channels}
	for name, values := range f.query {
		q[name] = values
	}
	req, err := f.client.request(ctx, http.MethodGet, f.client.Stream+"/v1/stream?"+q.Encode(), nil)
	if err != nil {
		return end{fatal: err}
	}
	if f.cursor != "" {
		req.Header.Set("Last-Event-ID", f.cursor)
	}
	go func() {
		select {
		case slept := <-f.woke:
			cancel(&sleptError{slept})
		case <-ctx.Done():
		}
	}()
	silence := f.patience.untilSilent()
	alone := f.client.isolated()
	defer alone.CloseIdleConnections()
	quiet := time.AfterFunc(silence, func() { cancel(errSilent) })
	res, err := alone.Do(req)
	quiet.Stop()
	if err != nil {
		return f.unreached(cause(ctx, err))
	}
	defer res.Body.Close()
	switch media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); {
	case res.StatusCode == http.StatusNoContent:
		return end{done: true}
	case res.StatusCode == http.StatusOK && strings.TrimSpace(media) == eventsType:
		return f.read(ctx, whole, &silenceReader{res.Body, silence, cancel})
	}
	r := refusalOf(res)
	switch {
	case !r.temporary():
		return end{fatal: &failure{r.exit(), fmt.Errorf("%s: %w", f.client.Stream, r)}}
	case r.code == "":
		return f.unreached(r)
	}
	return end{why: r.Error(), after: r.after}
}

// cause returns the cause of ctx's cancellation if there is a specific one, else err.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && !errors.Is(c, context.Canceled) {
		return c
	}
	return err
}

// silenceReader is a reader that gives up the stream if one Read takes longer than silence.
type silenceReader struct {
	body    io.Reader
	silence time.Duration
	giveUp  context.CancelCauseFunc
}

func (w *silenceReader) Read(p []byte) (int, error) {
	quiet := time.AfterFunc(w.silence, func() { w.giveUp(errSilent) })
	defer quiet.Stop()
	return w.body.Read(p)
}

// frame is one event of the stream, or the error that ended it.
type frame struct {
	eventstream.Event
	retry time.Duration
	err   error
}

// read handles the frames of a stream until its end. It reads ahead, so that heartbeats are noticed while an event is
// handled. It reads at most readAhead frames ahead, so that a slow program slows the server down instead of filling
// memory.
func (f *follower) read(ctx, whole context.Context, body io.Reader) end {
	frames := make(chan frame, readAhead)
	go func() {
		for d := eventstream.NewDecoder(body, maxFrame); ; {
			e, err := d.Next()
			select {
			case frames <- frame{e, d.Retry(), err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	for {
		var got frame
		select {
		case got = <-frames:
		case <-ctx.Done():
			return f.unreached(cause(ctx, ctx.Err()))
		}
		if got.err != nil {
			return f.unreached(cause(ctx, got.err))
		}
		if strings.HasPrefix(got.Name, ownPrefix) {
			if e, over := f.control(got); over {
				return e
			}
		} else if err := f.take(whole, got.Data); err != nil {
			return end{fatal: err}
		}
		f.move(got.ID)
	}
}

func (f *follower) move(cursor string) {
	if cursor == "" || cursor == f.cursor {
		return
	}
	f.cursor = cursor
	if f.moved != nil {
		f.moved(cursor)
	}
}

// control handles a frame that carries no event but a message of Hookcast's.
func (f *follower) control(got frame) (e end, over bool) {
	var d struct {
		Channel, Detail, Code string
		From, To              int64
		Reset                 bool
	}
	_ = json.Unmarshal(got.Data, &d) // missing fields stay empty
	detail := d.Detail
	if d.Code != "" {
		detail += " (" + d.Code + ")"
	}
	switch got.Name {
	case sse.Open:
		f.opened, f.ever = true, true
		if f.say != nil {
			f.say("%s: connected to %s", f.client.Stream, strings.Join(f.channels, " "))
		}
	case sse.Gap:
		switch {
		case f.say == nil:
		case d.Reset:
			f.say("%s: the sequence numbers restarted; some events may be lost", d.Channel)
		default:
			f.say("%s: events %d to %d are no longer stored", d.Channel, d.From, d.To)
		}
	case sse.Quota:
		return end{why: detail, after: got.retry}, true
	case sse.Goodbye:
		return end{why: "the server is shutting down; another one takes over", after: got.retry}, true
	case sse.Denied, sse.Expired:
		return end{fatal: failed(exitRefused, "%s: %s", f.client.Stream, detail)}, true
	case sse.Ended:
		if f.say != nil {
			f.say("%s has ended", d.Channel)
		}
		return end{done: true}, got.ID == sse.Stop
	}
	return end{}, false
}
