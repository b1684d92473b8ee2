package main

import (
	"context"
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
	if f, ok := err.(*failure); ok {
		return f.exit
	}
	if err != nil {
		return exitFailed
	}
	return 0
}

func ends(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// A laptop sleeps and wakes up: the connection is there and nothing ever comes on it.
func TestASilentStreamIsLeftAndGoneOnWithBehindTheLastEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, nil, streams(true, opening, "id: 1\ndata: one\n\n"), streams(false, opening, "id: 2\ndata: two\n\n"), ends)
		if f.err != nil || strings.Join(f.events, " ") != "one two" {
			t.Fatalf("%v, %q, %v", f.events, f.said, f.err)
		}
		if got := f.asked[1].Header.Get("Last-Event-ID"); got != "1" {
			t.Errorf("it goes on behind %q", got)
		}
		if f.at[1] < silence || f.at[1] > silence+retryMin {
			t.Errorf("left after %v", f.at[1])
		}
		if !strings.Contains(f.said[1], errSilent.Error()) {
			t.Errorf("said %q", f.said)
		}
	})
}

// Heartbeats keep a stream on which nothing else comes, and a program that takes its time does not count as silence.
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
			t.Fatalf("%v, %v, %q, %d", f.err, f.events, f.said, len(f.asked))
		}
	})
}

func TestAServerThatGoesIsComeBackToAndNothingIsTakenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
		f := follow(t, nil,
			streams(false, opening, "id: 1\ndata: one\n\n", "event: hookcast.goodbye\nretry: 7000\ndata: {\"reason\":\"drain\"}\n\n"),
			streams(false, opening, "id: 2\ndata: two\n\nid: 3\ndata: thr"), // cut within an event
			down, down,
			func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(502)
				io.WriteString(w, "<html>deploying")
			},
			problem(503, "draining", "This node is going out of service.", "Retry-After", "9"),
			streams(false, opening, "id: 3\ndata: three\n\nevent: hookcast.ended\nid: !stop\ndata: {\"channel\":\"a\"}\n\n"))
		if f.err != nil || strings.Join(f.events, " ") != "one two three" {
			t.Fatalf("%v, %v, %q", f.err, f.events, f.said)
		}
		var ids []string
		for _, r := range f.asked {
			ids = append(ids, r.Header.Get("Last-Event-ID"))
		}
		if strings.Join(ids, ",") != ",1,2,2,2,2,2" {
			t.Errorf("it goes on behind %v", ids)
		}
		if f.at[1] != 7*time.Second || f.at[6]-f.at[5] != 9*time.Second {
			t.Errorf("it comes back at %v, not when it was told to", f.at)
		}
		for _, want := range []string{"another one serves on", "the connection was cut", "502 Bad Gateway", "This node is going out of service (draining)", "a has ended"} {
			if !slices.ContainsFunc(f.said, func(s string) bool { return strings.Contains(s, want) && !strings.Contains(s, "\n") }) {
				t.Errorf("%q is not said: %q", want, f.said)
			}
		}
		if f.cursor != "3" {
			t.Errorf("the cursor is %q", f.cursor)
		}
	})
}

func TestWhatItExitsWith(t *testing.T) {
	down := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
	page := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://else.example/", http.StatusMovedPermanently)
	}
	for name, c := range map[string]struct {
		answers []func(http.ResponseWriter, *http.Request)
		exit    int
		says    string
		asks    int
	}{
		"the channel is over":               {[]func(http.ResponseWriter, *http.Request){ends}, 0, "", 1},
		"no key, or one that is revoked":    {[]func(http.ResponseWriter, *http.Request){problem(401, "api_key_unknown", "There is no such key.")}, exitRefused, "There is no such key (api_key_unknown)", 1},
		"a channel that is not the key's":   {[]func(http.ResponseWriter, *http.Request){problem(403, "channel_forbidden", "")}, exitRefused, "channel_forbidden", 1},
		"revoked while it listens":          {[]func(http.ResponseWriter, *http.Request){streams(false, opening, "event: hookcast.denied\nid: !stop\ndata: {\"detail\":\"the right to listen has ended\"}\n\n")}, exitRefused, "the right to listen has ended", 1},
		"expired while it listens":          {[]func(http.ResponseWriter, *http.Request){streams(false, opening, "event: hookcast.expired\nid: !stop\ndata: {\"detail\":\"the credential has expired\"}\n\n")}, exitRefused, "the credential has expired", 1},
		"revoked while it was away":         {[]func(http.ResponseWriter, *http.Request){streams(false, opening), problem(401, "api_key_unknown", "")}, exitRefused, "api_key_unknown", 2},
		"what cannot be asked":              {[]func(http.ResponseWriter, *http.Request){problem(400, "invalid_channel", "No.")}, exitFailed, "No (invalid_channel)", 1},
		"nobody there":                      {[]func(http.ResponseWriter, *http.Request){down}, exitUnreachable, "the connection was cut", 1},
		"somebody else there":               {[]func(http.ResponseWriter, *http.Request){page}, exitUnreachable, "is no Hookcast", 1},
		"sent on":                           {[]func(http.ResponseWriter, *http.Request){elsewhere}, exitUnreachable, "https://else.example/", 1},
		"over a limit, and then not":        {[]func(http.ResponseWriter, *http.Request){problem(429, "connection_limit", "Too many."), ends}, 0, "", 2},
		"over a limit as a stream says it":  {[]func(http.ResponseWriter, *http.Request){streams(false, "event: hookcast.quota\nretry: 4000\ndata: {\"code\":\"connection_limit\",\"detail\":\"Too many.\"}\n\n"), ends}, 0, "", 2},
		"silent before it says anything":    {[]func(http.ResponseWriter, *http.Request){func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}, exitUnreachable, errSilent.Error(), 1},
		"a deploy that answers 404 a while": {[]func(http.ResponseWriter, *http.Request){streams(false, opening), http.NotFound, ends}, 0, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := follow(t, nil, c.answers...)
				if exitOf(f.err) != c.exit || len(f.asked) != c.asks || c.says != "" && !strings.Contains(f.err.Error(), c.says) || f.err != nil && strings.Contains(f.err.Error(), "\n") {
					t.Errorf("%v (%d), %d requests, said %q", f.err, exitOf(f.err), len(f.asked), f.said)
				}
				if strings.HasPrefix(name, "over a limit") && (len(f.said) != 1 || !strings.Contains(f.said[0], "Too many (connection_limit)") && !strings.Contains(f.said[0], "Too many. (connection_limit)")) {
					t.Errorf("said %q", f.said)
				}
			})
		})
	}
}

func TestGapsAreSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, func(f *follower) { f.cursor = "1" }, streams(false, opening,
			"event: hookcast.gap\nid: 4\ndata: {\"channel\":\"a\",\"from\":2,\"to\":4}\n\n", "event: hookcast.gap\nid: 0\ndata: {\"channel\":\"a\",\"reset\":true}\n\n"), ends)
		if f.err != nil || f.asked[0].Header.Get("Last-Event-ID") != "1" || !slices.Contains(f.said, "a: events 2 to 4 are kept no more") || !slices.Contains(f.said, "a: its numbers begin anew, and some events may be lost") {
			t.Errorf("%v %q", f.err, f.said)
		}
	})
}

// It waits longer each time, and not as if nothing had been once it was connected again.
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
			if pause > retryMax || pause < retryMin/2 || i > 7 && i < 14 && pause < retryMax/2 || i == 14 && pause > retryMin {
				t.Errorf("pause %d is %v", i, pause)
			}
		}
	})
}
