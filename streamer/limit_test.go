//go:build linux

package streamer

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
)

const descriptors = 200

func TestPastTheDescriptorLimitNoStreamIsLostAndReadinessIsRed(t *testing.T) {
	server := startServer(t, descriptors)
	w, key, ready := server.world, server.key, server.ready
	if got := ready(); got != 200 {
		t.Fatalf("/readyz at first: %d", got)
	}

	open := fillStreams(t, w, key)
	if got := ready(); got != 503 {
		t.Errorf("/readyz at the mark: %d", got)
	}

	// Now clients that connect and send nothing, until descriptors run out, and many more.
	var silent []net.Conn
	for range descriptors {
		c, err := net.DialTimeout("tcp", w.addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, c)
	}
	if got := ready(); got == 200 {
		t.Errorf("/readyz without descriptors: %d", got)
	}
	server.say(t, "publish")
	for i, s := range open {
		if e := s.next(t); string(e.Data) != "0" {
			t.Fatalf("stream %d: %v", i, e)
		}
	}
	for _, c := range silent {
		c.Close()
	}
	for _, s := range open[len(open)/2:] {
		s.Close()
	}
	eventually(t, "it recovers", func() bool { return ready() == 200 })
	if s := w.open(t, "/v1/stream?channel=a", auth(key)); s.next(t).Name != sse.Open {
		t.Error("no stream after it recovered")
	}
	server.say(t, "publish")
	for i, s := range open[:len(open)/2] {
		if e := s.next(t); string(e.Data) != "1" {
			t.Fatalf("stream %d: %v", i, e)
		}
	}
}

// fillStreams opens more streams than there are descriptors: those over the mark are asked to come back.
func fillStreams(t *testing.T, w *world, key string) (open []*stream) {
	t.Helper()
	shed := 0
	for range descriptors + 50 {
		s := w.open(t, "/v1/stream?channel=a", auth(key), eventSource)
		switch e := s.next(t); {
		case e.Name == sse.Open:
			open = append(open, s)
		case e.Name == sse.Quota && strings.Contains(string(e.Data), "node_full"):
			shed++
			s.Close()
		default:
			t.Fatalf("%s %s", e.Name, e.Data)
		}
	}
	mark := descriptors * 92 / 100
	if len(open) < mark-5 || len(open) > mark || shed == 0 {
		t.Errorf("%d streams are open, %d were shed; the mark is %d", len(open), shed, mark)
	}
	return open
}

// A client over a limit that retries at once gets a few responses a second on each connection.
func TestWhoAsksTooMuchWaitsForItsAnswer(t *testing.T) {
	w := newWorld(t)
	began := time.Now()
	for range 3 {
		a, err := http.Get("http://" + w.addr + "/toomuch")
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != http.StatusTooManyRequests {
			t.Fatalf("status %d", a.StatusCode)
		}
	}
	if took := time.Since(began); took < 3*refusalTime {
		t.Errorf("three refusals took %v", took)
	}
}
