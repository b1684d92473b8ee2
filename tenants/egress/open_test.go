package egress_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/egress"
)

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

// Open returns with the head, and the body lasts as long as both sides want: the time limit of a delivery does not
// apply to a stream.
func TestAnOpenedAnswerLastsBeyondTheTimeOfADelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := plain(t, trickle(streamHead, "data: a\n\n", time.Minute))
		began := time.Now()
		answer, failure := w.Open(t.Context(), to("http://example.com/"))
		if failure != "" || answer.StatusCode != 200 || time.Since(began) != 0 {
			t.Fatalf("got %q after %v: %+v", failure, time.Since(began), answer)
		}
		lines := bufio.NewScanner(answer.Body)
		for n := 0; n < 2*60; n++ { // a line and an empty one each minute
			if !lines.Scan() {
				t.Fatalf("the body ended after %v: %v", time.Since(began), lines.Err())
			}
		}
		if time.Since(began) < 59*time.Minute {
			t.Errorf("the body lasted %v, want an hour", time.Since(began))
		}
		answer.Body.Close()
		time.Sleep(2 * time.Minute) // until the server has noticed
	})
}

func TestTheEndOfTheContextEndsAnOpenedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := false
		w := plain(t, func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			io.WriteString(c, streamHead)
			io.Copy(io.Discard, c)
			closed = true
			c.Close()
		})
		ctx, cancel := context.WithCancel(t.Context())
		answer, failure := w.Open(ctx, to("http://example.com/"))
		if failure != "" {
			t.Fatal(failure)
		}
		time.AfterFunc(time.Hour, cancel)
		began := time.Now()
		if _, err := answer.Body.Read(make([]byte, 1)); err == nil || time.Since(began) != time.Hour {
			t.Errorf("got error %v after %v, want one after an hour", err, time.Since(began))
		}
		if synctest.Wait(); !closed {
			t.Error("the connection is still open")
		}
	})
}

// Requests without an answer. The time limit for connecting is that of a delivery.
func TestWhatCannotBeOpenedSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			serve func(net.Conn)
			o     tenants.Outgoing
			want  tenants.Failure
		}{
			"no URL": {nil, to("ftp://example.com/"), tenants.FailureURL},
			"a header in two": {nil, tenants.Outgoing{Method: "GET", URL: "http://example.com/",
				Header: http.Header{"A": {"a\r\nB: c"}}}, tenants.FailureURL},
			"cut": {func(c net.Conn) {
				readRequest(bufio.NewReader(c))
				c.Close()
			}, to("http://example.com/"), tenants.FailureReset},
			"no HTTP": {answering("SSH-2.0-OpenSSH_9.6\r\n"), to("http://example.com/"), tenants.FailureResponse},
		} {
			if answer, failure := plain(t, c.serve).Open(t.Context(), c.o); failure != c.want || answer != nil {
				t.Errorf("%s: got %q, %+v; want %q", name, failure, answer, c.want)
			}
		}
		w := newWire(t, egress.Options{}, nil)
		w.Connect(func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		late, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, failure := plain(t, func(c net.Conn) {
			io.Copy(io.Discard, c)
			c.Close()
		}).Open(late, to("http://example.com/")); failure != tenants.FailureTimeout {
			t.Errorf("no answer before the context ends: got %q, want %q", failure, tenants.FailureTimeout)
		}
		began := time.Now()
		if _, failure := w.Open(t.Context(), to("https://example.com/")); failure != tenants.FailureConnect ||
			time.Since(began) > 10*time.Second {
			t.Errorf("a connect that hangs: got %q after %v", failure, time.Since(began))
		}
	})
}

// The attack: a stream at an internal address, given as a number, by a name, or by a redirect.
func TestAStreamFromInsideIsNotOpened(t *testing.T) {
	w := newWire(t, egress.Options{}, func(c net.Conn) { t.Error("an internal address was reached"); c.Close() })
	w.names.answers["inside.example.com."] = [][]string{{"169.254.169.254"}}
	for url, want := range map[string]tenants.Failure{"https://127.0.0.1/": tenants.FailureBlocked,
		"https://[::1]/": tenants.FailureBlocked, "https://inside.example.com/": tenants.FailureBlocked} {
		if answer, failure := w.Open(t.Context(), to(url)); failure != want || answer != nil {
			t.Errorf("%s: got %q, want %q", url, failure, want)
		}
	}
	moved := plain(t,
		answering("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"))
	answer, failure := moved.Open(t.Context(), to("http://example.com/"))
	if failure != "" || answer.StatusCode != 302 || !strings.Contains(answer.Header.Get("Location"), "169.254") ||
		len(moved.dialled()) != 1 {
		t.Errorf("a redirect: got %q, dialed %v", failure, moved.dialled())
	}
	answer.Body.Close()
}
