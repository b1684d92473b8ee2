//go:build linux

package streamer

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
)

// peer is a server of somebody else's on this machine.
type peer struct {
	url     string
	publish func(from, to int) // numbers, in order
	cut     func()             // breaks its connections; it serves again when cut returns
	resumes bool               // it goes on from Last-Event-ID
}

// follower reads a stream of numbers on a goroutine of its own.
type follower struct {
	t    *testing.T
	came chan string // a number, or "gap"
	last int
	told bool // a gap was said behind last
	gaps int
}

func (p *proxyWorld) follow(t *testing.T, path, key string) *follower {
	f := &follower{t: t, came: make(chan string, 100)}
	s := p.hear(t, path, key)
	s.SetDeadline(time.Now().Add(3 * time.Minute))
	if e := s.next(t); e.Name != "hookcast.open" {
		t.Fatalf("got %+v", e)
	}
	go func() {
		defer close(f.came)
		for {
			e, err := s.Next()
			if err != nil {
				return
			}
			p.heard(append([]byte(e.Name+e.ID), e.Data...))
			switch {
			case e.Name == "hookcast.gap":
				f.came <- "gap"
			case e.Name != "hookcast.heartbeat":
				f.came <- string(e.Data)
			}
		}
	}()
	return f
}

// next takes what comes within d; false: nothing does.
func (f *follower) next(d time.Duration) bool {
	f.t.Helper()
	select {
	case data, ok := <-f.came:
		if !ok {
			f.t.Fatalf("the stream ended behind %d", f.last)
		}
		if data == "gap" {
			f.told = true
			f.gaps++
			return true
		}
		n, err := strconv.Atoi(data)
		if err != nil || n <= f.last || n != f.last+1 && !f.told {
			f.t.Fatalf("got %q behind %d, gap said: %v", data, f.last, f.told)
		}
		f.last, f.told = n, false
		return true
	case <-time.After(d):
		return false
	}
}

// upTo reads up to the number n.
func (f *follower) upTo(n int) {
	f.t.Helper()
	for f.last < n {
		if !f.next(time.Minute) {
			f.t.Fatalf("nothing comes behind %d, want %d", f.last, n)
		}
	}
}

// TestServersThatOthersWrote has 10,000 numbers come through a proxy from each, with two breaks on the way: where the server can go on none is
// lost or repeated, and where it cannot a gap is said before the first that does not follow.
func TestServersThatOthersWrote(t *testing.T) {
	const events = 10_000
	for name, start := range map[string]func(*testing.T) peer{
		"nchan": startNchan, "pushpin": startPushpin,
		"better-sse":  func(t *testing.T) peer { return startOnNode(t, "/better", true) },
		"sse-channel": func(t *testing.T) peer { return startOnNode(t, "/channel", true) },
		"express-sse": func(t *testing.T) peer { return startOnNode(t, "/express", false) },
	} {
		t.Run(name, func(t *testing.T) {
			other := start(t)
			p := newProxyWorld(t, func(*hub.Options) {})
			_, key := p.tenant(t)
			status, answer := p.call(t, "POST", "/v1/proxies", key, map[string]any{"name": name, "url": other.url, "headers": map[string]string{"Authorization": "Bearer " + canary}})
			var made struct{ ID string }
			if err := json.Unmarshal(answer, &made); err != nil || status != 201 {
				t.Fatalf("%d %s", status, answer)
			}
			f := p.follow(t, "/v1/proxies/"+made.ID+"/stream", key)
			said := 0 // numbers published
			for round := range 3 {
				from := said + 1
				said = max(said, (round+1)*events/3)
				other.publish(from, said)
				f.upTo(said)
				if round == 2 {
					break
				}
				other.cut()
				for !other.resumes && f.gaps <= round { // what comes while nobody listens is lost: until somebody does again
					said++
					other.publish(said, said)
					f.next(200 * time.Millisecond)
				}
				if !other.resumes { // the last one may have been lost, too
					said++
					other.publish(said, said)
					f.upTo(said)
				}
			}
			if other.resumes && f.gaps > 0 || !other.resumes && f.gaps < 2 || f.last < events {
				t.Errorf("%d gaps, up to %d", f.gaps, f.last)
			}
		})
	}
}
