package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func sprint(format string, args ...any) string { return fmt.Sprintf(format, args...) }

func exitOf(err error) int {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.exit
	}
	if err != nil {
		return exitFailed
	}
	return 0
}

func ends(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// After a laptop's sleep the connection still exists, but nothing ever arrives on it.
func TestASilentStreamIsLeftAndGoneOnWithBehindTheLastEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, nil, streams(true, opening, "id: 1\ndata: one\n\n"),
			streams(false, opening, "id: 2\ndata: two\n\n"), ends)
		if f.err != nil || strings.Join(f.events, " ") != "one two" {
			t.Fatalf("got events %v, messages %q and error %v, want one two and no error", f.events, f.said, f.err)
		}
		if got := f.asked[1].Header.Get("Last-Event-ID"); got != "1" {
			t.Errorf("it continues after cursor %q, want 1", got)
		}
		if f.at[1] < silence || f.at[1] > silence+retryMin {
			t.Errorf("it left the silent stream after %v, want %v to %v", f.at[1], silence, silence+retryMin)
		}
		if !strings.Contains(f.said[1], errSilent.Error()) {
			t.Errorf("it said %q, want %q second", f.said, errSilent)
		}
	})
}

// Heartbeats keep a stream open on which nothing else arrives, and a slow program does not count as silence.
func TestAQuietStreamIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beats := func(w http.ResponseWriter, r *http.Request) {
			streams(false, opening, "id: 1\ndata: slow\n\n")(w, r)
			for range 15 {
				time.Sleep(20 * time.Second)
				io.WriteString(w, ":\n\n")
				w.(http.Flusher).Flush()
			}
			streams(false, "id: 2\ndata: late\n\n")(w, r)
		}
		f := follow(t, func(f *follower) {
			take := f.take
			f.take = func(ctx context.Context, data []byte) error {
				if string(data) == "slow" {
					time.Sleep(4 * time.Minute)
				}
				return take(ctx, data)
			}
		}, beats, ends)
		if f.err != nil || strings.Join(f.events, " ") != "slow late" || len(f.asked) != 2 {
			t.Fatalf("got error %v, events %v, messages %q and %d requests, want slow late in 2 requests", f.err,
				f.events, f.said, len(f.asked))
		}
	})
}

func TestAServerThatGoesIsComeBackToAndNothingIsTakenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
		f := follow(t, nil,
			streams(false, opening, "id: 1\ndata: one\n\n",
				"event: hookcast.goodbye\nretry: 7000\ndata: {\"reason\":\"drain\"}\n\n"),
			streams(false, opening, "id: 2\ndata: two\n\nid: 3\ndata: thr"), // cut off within an event
			down, down,
			func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(502)
				io.WriteString(w, "<html>deploying")
			},
			problem(503, "draining", "This node is going out of service.", "Retry-After", "9"),
			streams(false, opening,
				"id: 3\ndata: three\n\nevent: hookcast.ended\nid: !stop\ndata: {\"channel\":\"a\"}\n\n"))
		if f.err != nil || strings.Join(f.events, " ") != "one two three" {
			t.Fatalf("got error %v, events %v and messages %q, want one two three", f.err, f.events, f.said)
		}
		var ids []string
		for _, r := range f.asked {
			ids = append(ids, r.Header.Get("Last-Event-ID"))
		}
		if strings.Join(ids, ",") != ",1,2,2,2,2,2" {
			t.Errorf("it continues after cursors %v, want none, 1 and then 2", ids)
		}
		if f.at[1] != 7*time.Second || f.at[6]-f.at[5] != 9*time.Second {
			t.Errorf("it reconnects at %v, want pauses of 7s first and 9s last", f.at)
		}
		for _, want := range []string{"another one takes over", "the connection was cut", "502 Bad Gateway",
			"This node is going out of service (draining)", "a has ended"} {
			if !slices.ContainsFunc(f.said, func(s string) bool {
				return strings.Contains(s, want) && !strings.Contains(s, "\n")
			}) {
				t.Errorf("got messages %q, want one line with %q", f.said, want)
			}
		}
		if f.cursor != "3" {
			t.Errorf("the cursor is %q, want 3", f.cursor)
		}
	})
}

func TestWhatItExitsWith(t *testing.T) {
	down := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
	page := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://else.example/", http.StatusMovedPermanently)
	}
	denied := streams(false, opening,
		"event: hookcast.denied\nid: !stop\ndata: {\"detail\":\"the right to listen has ended\"}\n\n")
	expired := streams(false, opening,
		"event: hookcast.expired\nid: !stop\ndata: {\"detail\":\"the credential has expired\"}\n\n")
	quota := streams(false, "event: hookcast.quota\nretry: 4000\n"+
		"data: {\"code\":\"connection_limit\",\"detail\":\"Too many.\"}\n\n")
	mute := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	unknown := problem(401, "api_key_unknown", "There is no such key.")
	for name, c := range map[string]struct {
		answers []handler
		exit    int
		says    string
		asks    int
	}{
		"the channel is over": {[]handler{ends}, 0, "", 1},
		"no key, or one that is revoked": {[]handler{unknown}, exitRefused, "There is no such key (api_key_unknown)",
			1},
		"a channel that is not the key's": {[]handler{problem(403, "channel_forbidden", "")}, exitRefused,
			"channel_forbidden", 1},
		"revoked while it listens": {[]handler{denied}, exitRefused, "the right to listen has ended", 1},
		"expired while it listens": {[]handler{expired}, exitRefused, "the credential has expired", 1},
		"revoked while it was away": {[]handler{streams(false, opening), problem(401, "api_key_unknown", "")},
			exitRefused, "api_key_unknown", 2},
		"an invalid request": {[]handler{problem(400, "invalid_channel", "No.")}, exitFailed,
			"No (invalid_channel)", 1},
		"no server":                         {[]handler{down}, exitUnreachable, "the connection was cut", 1},
		"another server":                    {[]handler{page}, exitUnreachable, "is not Hookcast", 1},
		"a redirect":                        {[]handler{elsewhere}, exitUnreachable, "https://else.example/", 1},
		"over a limit, and then not":        {[]handler{problem(429, "connection_limit", "Too many."), ends}, 0, "", 2},
		"over a limit as a stream says it":  {[]handler{quota, ends}, 0, "", 2},
		"silent before it says anything":    {[]handler{mute}, exitUnreachable, errSilent.Error(), 1},
		"a deploy that answers 404 a while": {[]handler{streams(false, opening), http.NotFound, ends}, 0, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := follow(t, nil, c.answers...)
				if exitOf(f.err) != c.exit || len(f.asked) != c.asks ||
					c.says != "" && !strings.Contains(f.err.Error(), c.says) ||
					f.err != nil && strings.Contains(f.err.Error(), "\n") {
					t.Errorf("got error %v (exit code %d), %d requests and messages %q, want %q (%d) and %d requests",
						f.err, exitOf(f.err), len(f.asked), f.said, c.says, c.exit, c.asks)
				}
				if strings.HasPrefix(name, "over a limit") &&
					(len(f.said) != 1 || !strings.Contains(f.said[0], "Too many (connection_limit)") &&
						!strings.Contains(f.said[0], "Too many. (connection_limit)")) {
					t.Errorf("it said %q, want one line about the limit", f.said)
				}
			})
		})
	}
}

func TestGapsAreSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, func(f *follower) { f.cursor = "1" }, streams(false, opening,
			"event: hookcast.gap\nid: 4\ndata: {\"channel\":\"a\",\"from\":2,\"to\":4}\n\n",
			"event: hookcast.gap\nid: 0\ndata: {\"channel\":\"a\",\"reset\":true}\n\n"), ends)
		if f.err != nil || f.asked[0].Header.Get("Last-Event-ID") != "1" ||
			!slices.Contains(f.said, "a: events 2 to 4 are no longer stored") ||
			!slices.Contains(f.said, "a: the sequence numbers restarted; some events may be lost") {
			t.Errorf("got error %v, messages %q and Last-Event-ID %q, want both gaps reported after cursor 1",
				f.err, f.said, f.asked[0].Header.Get("Last-Event-ID"))
		}
	})
}

// Pauses grow with each failed attempt, and start small again after a successful connection.
func TestItBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
		answers := []func(http.ResponseWriter, *http.Request){streams(false, opening)}
		for range 12 {
			answers = append(answers, down)
		}
		answers = append(answers, streams(false, opening), ends)
		f := follow(t, nil, answers...)
		if f.err != nil {
			t.Fatal(f.err)
		}
		for i := 1; i < len(f.at); i++ {
			pause := f.at[i] - f.at[i-1]
			if pause > retryMax || pause < retryMin/2 || i > 7 && i < 14 && pause < retryMax/2 ||
				i == 14 && pause > retryMin {
				t.Errorf("pause %d is %v, want a backoff from %v to %v that restarts at pause 14", i, pause,
					retryMin, retryMax)
			}
		}
	})
}
