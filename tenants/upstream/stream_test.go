package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/upstream"
)

func TestAStreamGoesOnFromTheLastIDUntil204(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want(t, nil, "1 2 3 4", "|2|3|4", upstream.Ended, text(numbered(1, 2), nil),
			text(numbered(3, 3)+"id: 4\ndata: cut", errBroken), text(numbered(4, 4), errBroken), noContent)
	})
}

func TestWhereThereAreNoIDsAGapIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want(t, nil, "a GAP b GAP", "|||", upstream.Ended, text("data: a\n\n", errBroken), text("data: b\n\n", nil),
			text("", nil), noContent)
		want(t, nil, "a GAP b", "||", upstream.Ended, text("id: 1\ndata: a\n\nid\n\n", nil), text("data: b\n\n", nil),
			noContent)
		// the server counts from 1 each time
		want(t, nil, "1 2 3 GAP 1 2", "|3|2", upstream.Ended, text(numbered(1, 3), nil), text(numbered(1, 2), nil),
			noContent)
		want(t, nil, "a b", "|7|7", upstream.Ended, text("data: a\n\nid: 7\n\n", nil), text("data: b\n\n", nil),
			noContent)
	})
}

func TestRetryIsHonouredAndAServerThatFailsIsLeftInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := want(t, nil, "1 2", "|1|1|1|1|2", upstream.Ended, text("retry: 7000\n"+numbered(1, 1), nil), refusing(503),
			script{failure: tenants.FailureConnect}, refusing(500), text(numbered(2, 2), nil), noContent)
		least := []time.Duration{7 * time.Second, 14 * time.Second, 28 * time.Second, 56 * time.Second, 7 * time.Second}
		for i, d := range least {
			if took := s.at[i+1].Sub(s.at[i]); took < d || took > d+d/5+time.Second {
				t.Errorf("request %d followed after %v, want %v", i+1, took, d)
			}
		}
	})
}

func TestAServerThatDoesNotTakeUsBackEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, last := range map[string]script{"upstream_status": refusing(403),
			"upstream_media_type": {status: 200, header: map[string]string{"Content-Type": "text/html"}}} {
			s, to := &server{scripts: []script{text(numbered(1, 1), nil), last}}, &sink{}
			end, err := run(t, options(s), to)
			if err != nil || end.Reason != upstream.Failed || tenants.CodeOf(end.Err) != name || to.String() != "1" {
				t.Errorf("%s: error %v, end %v, events %s", name, err, end, to)
			}
		}
	})
}

func TestWhatIsAskedForOnceEndsWithItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		once := func(o *upstream.Options) { o.Reconnect = false }
		want(t, once, "1 2", "", upstream.Ended, text(numbered(1, 2), nil))
		want(t, once, "1 2", "", upstream.Cut, text(numbered(1, 2), errBroken))
		want(t, once, "", "", upstream.Ended, noContent)
		want(t, once, "1", "", upstream.Cut, silent(numbered(1, 1)))
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := &server{scripts: []script{{delay: time.Hour, status: 200}}}
		if _, err := run(t, options(s), &sink{}); tenants.CodeOf(err) != "upstream_timeout" ||
			time.Since(began) != 30*time.Second {
			t.Errorf("first byte: got %v after %v", err, time.Since(began))
		}
		began = time.Now()
		want(t, nil, "1 2", "|1|2", upstream.Ended, silent(numbered(1, 1)), text(numbered(2, 2), nil), noContent)
		if took := time.Since(began); took < time.Minute || took > 75*time.Second {
			t.Errorf("a silent connection ended after %v, want a minute", took)
		}
		began = time.Now()
		want(t, func(o *upstream.Options) {
			o.Total, o.Idle = time.Hour, 2*time.Hour
		}, "1", "", upstream.TimeUp, silent(numbered(1, 1)))
		if took := time.Since(began); took != time.Hour {
			t.Errorf("the stream ended after %v, want an hour", took)
		}
	})
}

// While the sink is slow, the server is held back and its silence does not count.
func TestASlowSinkHoldsTheServerBackAndCutsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{scripts: []script{events(func(_ context.Context, w io.Writer, _ tenants.Outgoing) error {
			for n := range 50 {
				if _, err := fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n); err != nil {
					return err
				}
			}
			return nil
		}), noContent}}
		to := &sink{after: func(int) error { time.Sleep(10 * time.Minute); return nil }}
		end, err := run(t, options(s), to)
		if err != nil || end.Reason != upstream.Ended || len(to.got) != 50 || len(s.asked) != 2 {
			t.Errorf("error %v, end %v, %d events over %d connections", err, end, len(to.got), len(s.asked))
		}
	})
}

func TestTheEndOfTheContextClosesTheConnectionAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, to := &server{scripts: []script{silent(numbered(1, 1))}}, &sink{}
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := upstream.Open(ctx, options(s))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan upstream.End)
		go func() { ended <- stream.Run(ctx, to) }()
		synctest.Wait()
		began := time.Now()
		cancel()
		end := <-ended
		synctest.Wait()
		if end.Reason != upstream.Canceled || s.open != 0 || time.Since(began) != 0 {
			t.Errorf("end %v, %d connections open, after %v", end, s.open, time.Since(began))
		}
	})
}

func TestAnEventOverTheBoundEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want(t, func(o *upstream.Options) {
			o.EventBytes = 100
		}, "1", "", upstream.Failed, text(numbered(1, 1)+"data: "+strings.Repeat("x", 200)+"\n\n", nil))
	})
}

func TestASinkThatTakesNoMoreEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{scripts: []script{silent(numbered(1, 1))}}
		end, err := run(t, options(s), &sink{after: func(int) error { return errBroken }})
		synctest.Wait()
		if err != nil || end.Reason != upstream.Refused || !errors.Is(end.Err, errBroken) || s.open != 0 {
			t.Errorf("%v, %v, %d open", err, end, s.open)
		}
	})
}

func TestOnlyAnEventStreamIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ kind, encoding, code string }{
			{"text/event-stream", "", ""}, {"Text/Event-Stream", "", ""}, {"text/event-stream;charset=utf-8", "", ""},
			{"text/event-stream", "identity", ""},
			{"text/event-stream;x bogus", "", ""},
			// web-platform-tests, eventsource/format-utf-8 and format-mime-*.
			{"text/event-stream;charset=windows-1252", "", ""}, {"text/event-stream;", "", ""},
			{"x bogus", "", "upstream_media_type"}, {"text/x-bogus", "", "upstream_media_type"},
			{"", "", "upstream_media_type"}, {"text/plain", "", "upstream_media_type"},
			{"text/event-stream-x", "", "upstream_media_type"}, {"text/event-stream", "gzip", "upstream_encoding"},
		} {
			s := &server{scripts: []script{{status: 200,
				header: map[string]string{"Content-Type": c.kind, "Content-Encoding": c.encoding}}, noContent}}
			if _, err := run(t, options(s), &sink{}); tenants.CodeOf(err) != c.code {
				t.Errorf("%+v: got %v", c, err)
			}
		}
	})
}

func TestWhatARefusalSaysIsCappedAndHoldsNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := script{status: 401, header: map[string]string{"Content-Type": "text/plain; key=a-secret-key"},
			write: func(_ context.Context, w io.Writer, _ tenants.Outgoing) error {
				io.WriteString(w, strings.Repeat("x", 1000)+"\r\n\x00 a-secret-key "+strings.Repeat("y", 10000))
				return nil
			}}
		_, err := upstream.Open(t.Context(), options(&server{scripts: []script{long}}))
		e, ok := err.(*tenants.Error)
		if !ok || e.Upstream == nil || e.Upstream.Status != 401 || len(e.Upstream.Excerpt) > 1100 ||
			e.RetryAfter != 0 || !strings.Contains(e.Upstream.Excerpt, "[redacted]") {
			t.Fatalf("got %+v", err)
		}
		if all := fmt.Sprintf("%+v %+v %v", *e, *e.Upstream, e); strings.Contains(all, "a-secret") ||
			strings.ContainsAny(e.Upstream.Excerpt, "\r\n\x00") {
			t.Error("the error contains the key or more than one line")
		}
	})
}

func TestRedirectsAreFollowedWithinTheSameOriginAndOnlyIfAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := func(status int, where string) script {
			return script{status: status, header: map[string]string{"Location": where, "Content-Type": "text/plain"}}
		}
		stream := text("", nil)
		for _, c := range []struct {
			name, method string
			off          bool
			scripts      []script
			code, last   string
		}{
			{"not unless allowed", "GET", true, []script{to(302, "/b"), stream}, "upstream_redirect",
				"https://example.com/a"},
			{"the same host", "GET", false, []script{to(302, "/b?c"), stream, noContent},
				"", "https://example.com/b?c"},
			{"absolute", "GET", false, []script{to(301, "https://EXAMPLE.com/b"), stream, noContent},
				"", "https://EXAMPLE.com/b"},
			{"another host", "GET", false, []script{to(302, "https://evil.example/b"), stream}, "upstream_redirect",
				"https://example.com/a"},
			{"a host below", "GET", false, []script{to(302, "https://x.example.com/b"), stream}, "upstream_redirect",
				"https://example.com/a"},
			{"another port", "GET", false, []script{to(302, "https://example.com:8443/b"), stream}, "upstream_redirect",
				"https://example.com/a"},
			{"without TLS", "GET", false, []script{to(302, "http://example.com/b"), stream}, "upstream_redirect",
				"https://example.com/a"},
			{"with a user", "GET", false, []script{to(302, "https://u:p@example.com/b"), stream}, "upstream_redirect",
				"https://example.com/a"},
			{"nowhere", "GET", false, []script{to(302, ""), stream}, "upstream_redirect", "https://example.com/a"},
			{"in circles", "GET", false, []script{to(302, "/a")}, "upstream_redirect", "https://example.com/a"},
			{"a POST that would become a GET", "POST", false, []script{to(303, "/b"), stream}, "upstream_redirect",
				"https://example.com/a"},
			{"a POST that stays one", "POST", false, []script{to(307, "/b"), stream, noContent},
				"", "https://example.com/b"},
		} {
			s := &server{scripts: c.scripts}
			o := options(s)
			o.Redirects, o.Request.Method = !c.off, c.method
			opened, err := upstream.Open(t.Context(), o)
			if tenants.CodeOf(err) != c.code || s.asked[len(s.asked)-1].URL != c.last || len(s.asked) > 6 {
				t.Errorf("%s: error %v, %d requests, the last for %s", c.name, err, len(s.asked),
					s.asked[len(s.asked)-1].URL)
			}
			if err == nil {
				opened.Close()
			}
		}
	})
}

// A stream cannot resume from an id that does not fit into a header.
func TestAnIDThatNoHeaderCanCarryIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, id := range []string{"a\x01b", strings.Repeat("x", 2000), " a "} {
			s, to := &server{scripts: []script{text("id: "+id+"\ndata: 1\n\n", nil), noContent}}, &sink{}
			if id == " a " {
				s.scripts = []script{text("id:  a \ndata: 1\n\n", nil), text("", nil), noContent}
			}
			if end, err := run(t, options(s), to); err != nil || end.Reason != upstream.Ended ||
				strings.Trim(s.lastIDs(), "|") != "" {
				t.Errorf("%q: error %v, end %v, resumed from %q", id, err, end, s.lastIDs())
			}
		}
	})
}

// ticking is a script of a stream with one event each second, up to total. Each connection breaks in the middle of an
// event after total/breaks events.
func ticking(ids bool, total, breaks int) script {
	began := time.Now()
	now := func() int { return int(time.Since(began) / time.Second) } // the event that is due
	return events(func(ctx context.Context, w io.Writer, r tenants.Outgoing) error {
		next := now() + 1
		if last := strings.Join(r.Header["Last-Event-Id"], ""); last != "" {
			n, err := strconv.Atoi(last)
			if err != nil {
				return err
			}
			next = n + 1 // the server keeps every event
		}
		die := next + total/breaks
		io.WriteString(w, "\ufeff: hello\r\nretry: 2000\r\n\r\n")
		for ; next <= total; next++ {
			for now() < next {
				select {
				case <-time.After(100 * time.Millisecond):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if ids {
				fmt.Fprintf(w, "id: %d\r", next)
			}
			if next == die {
				fmt.Fprintf(w, "data: %d", next) // in the middle of the event
				if next%2 == 0 {
					return errBroken
				}
				return nil
			}
			if _, err := fmt.Fprintf(w, "data: %d\r\r", next); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return ctx.Err()
	})
}

// countGaps returns the number of gaps, and expects one wherever events are missing.
func countGaps(t *testing.T, got []string) (gaps int) {
	t.Helper()
	last, told := 0, false
	for _, data := range got {
		if data == "GAP" {
			gaps, told = gaps+1, true
			continue
		}
		n, _ := strconv.Atoi(data)
		if n != last+1 && !told {
			t.Fatalf("event %d follows %d without a gap", n, last)
		}
		last, told = n, false
	}
	return gaps
}

// A stream ticks each second for three hours and is killed 40 times, in two ways and in the middle of events. With
// ids, each of its 10,000 events arrives once and in order; without, each break is followed by a gap, and the events
// between gaps are in order.
func TestThreeHoursAndTenThousandEventsOverAServerThatIsKilledAgainAndAgain(t *testing.T) {
	const total, breaks = 10_000, 40
	for _, ids := range []bool{true, false} {
		t.Run(fmt.Sprintf("ids %v", ids), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				s := &server{}
				s.scripts = []script{ticking(ids, total, breaks)}
				to := &sink{}
				o := options(s)
				o.Total, o.Idle = 3*time.Hour, time.Hour
				end, err := run(t, o, to)
				if err != nil || end.Reason != upstream.TimeUp || time.Since(began) != 3*time.Hour {
					t.Fatalf("error %v, end %v after %v", err, end, time.Since(began))
				}
				if ids {
					if len(to.got) != total {
						t.Fatalf("got %d events, want %d", len(to.got), total)
					}
					for i, data := range to.got {
						if data != strconv.Itoa(i+1) {
							t.Fatalf("event %d is %q", i+1, data)
						}
					}
					return
				}
				gaps := countGaps(t, to.got)
				if gaps != len(s.asked)-1 || gaps < breaks/2 {
					t.Errorf("%d gaps over %d connections", gaps, len(s.asked))
				}
			})
		})
	}
}
