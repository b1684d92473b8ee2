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

	maxFrame   = 32 << 20 // of an event's form on the wire
	readAhead  = 64       // frames that wait for the one before them to be dealt with
	ownPrefix  = "hookcast."
	eventsType = "text/event-stream"
)

// follower keeps a stream on channels open, over whatever ends it, until it ends for good. No event is handed over twice but for the one
// during which the program was stopped, and none is left out without a word.
type follower struct {
	client   *client
	channels []string
	cursor   string     // behind the last event that was dealt with; "": from now on
	query    url.Values // besides channels: the form of events
	// take deals with an event. What it returns ends the follower.
	take func(ctx context.Context, data []byte) error
	// moved hears of each new cursor; say of what a person should know. Either may be nil.
	moved func(cursor string)
	say   func(format string, args ...any)

	patience patience

	opened, ever bool               // a stream has been open: at the last attempt, at any
	woke         chan time.Duration // the machine has slept
}

// end is why a stream is over.
type end struct {
	why   string        // for people
	after time.Duration // when to come back; 0: as always
	now   bool          // to come back at once
	fatal error         // not to come back
	done  bool          // not to come back, because all channels have ended
}

// run follows until ctx ends or the channels do (nil), or until Hookcast refuses for good. Where the first connection cannot be made, it
// does not try again: it is the address, most of the time, and somebody is there to see it. After that it tries for ever.
func (f *follower) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f.woke = make(chan time.Duration, 1)
	go f.patience.watch(ctx, func(slept time.Duration) {
		f.client.http.CloseIdleConnections() // they are dead as well
		select {
		case f.woke <- slept:
		default: // it is about to connect anew
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
				f.say("%s: %s; connecting anew", f.client.Stream, e.why)
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
			f.say("%s: %s; again in %s", f.client.Stream, e.why, pause.Round(100*time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.woke: // whatever was wrong was wrong before
			wait = retryMin
		case <-time.After(pause):
		}
	}
}

// unreached is the end of an attempt that nobody answered as Hookcast would.
func (f *follower) unreached(err error) end {
	if _, slept := errors.AsType[*sleptError](err); slept {
		return end{why: err.Error(), now: true}
	}
	if f.ever {
		return end{why: why(err)}
	}
	return end{fatal: failed(exitUnreachable, "cannot stream from %s: %s", f.client.Stream, why(err))}
}

// connect makes one stream and reads it to its end.
func (f *follower) connect(ctx context.Context) end {
	whole := ctx // what is being dealt with when a stream ends is dealt with to its end
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
	alone := f.client.alone()
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
		return f.read(ctx, whole, &watched{res.Body, silence, cancel})
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

// cause is why ctx was given up, where it was for a reason of its own; else err.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && !errors.Is(c, context.Canceled) {
		return c
	}
	return err
}

// watched gives a stream up that is silent for too long while somebody reads.
type watched struct {
	body    io.Reader
	silence time.Duration
	giveUp  context.CancelCauseFunc
}

func (w *watched) Read(p []byte) (int, error) {
	quiet := time.AfterFunc(w.silence, func() { w.giveUp(errSilent) })
	defer quiet.Stop()
	return w.body.Read(p)
}

// frame is one event of the stream, or its end.
type frame struct {
	eventstream.Event
	retry time.Duration
	err   error
}

// read reads ahead of what is dealt with, so that heartbeats are heard meanwhile; but by a bound, so that a slow program slows the
// server down and not this one's memory up.
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

// control deals with a frame of Hookcast's own.
func (f *follower) control(got frame) (e end, over bool) {
	var d struct {
		Channel, Detail, Code string
		From, To              int64
		Reset                 bool
	}
	_ = json.Unmarshal(got.Data, &d) // what is missing is empty
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
			f.say("%s: its numbers begin anew, and some events may be lost", d.Channel)
		default:
			f.say("%s: events %d to %d are kept no more", d.Channel, d.From, d.To)
		}
	case sse.Quota:
		return end{why: detail, after: got.retry}, true
	case sse.Goodbye:
		return end{why: "the server is going; another one serves on", after: got.retry}, true
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
