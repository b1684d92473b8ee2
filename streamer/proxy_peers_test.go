//go:build linux

package streamer

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/proxy"
)

// others are servers by other authors.
var others = map[string]func(*testing.T) *peer{
	"nchan": startNchan, "pushpin": startPushpin,
	"better-sse":  func(t *testing.T) *peer { return startOnNode(t, "/better", true) },
	"sse-channel": func(t *testing.T) *peer { return startOnNode(t, "/channel", true) },
	"express-sse": func(t *testing.T) *peer { return startOnNode(t, "/express", false) },
}

// follower reads a stream of numbers in a goroutine of its own.
type follower struct {
	t    *testing.T
	came chan string // a number, or "gap"
	last int
	told bool // a gap was reported after last
	gaps int
}

func (p *proxyWorld) follow(t *testing.T, path, key string) *follower {
	f := &follower{t: t, came: make(chan string, 100)}
	s := p.hear(t, path, key)
	s.SetDeadline(time.Now().Add(5 * time.Minute))
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
			case e.Name == proxy.TypeUpstreamGap:
				if !strings.Contains(string(e.Data), `"upstream":true`) {
					f.came <- "a gap of our own: " + string(e.Data)
				}
				f.came <- "gap"
			case e.Name == proxy.TypeUpstream, e.Name == "hookcast.heartbeat":
			default:
				f.came <- string(e.Data)
			}
		}
	}()
	return f
}

// next returns the next item that arrives within d; false if none does.
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

// telling is a peer that publishes numbers, and its listener.
type telling struct {
	*follower
	other *peer
	said  int // numbers published
}

func (s *telling) publish(to int) {
	s.t.Helper()
	if err := s.other.publish(s.said+1, to); err != nil {
		s.t.Fatal(err)
	}
	s.said = to
}

// hears publishes up to the number n and reads that far.
func (s *telling) hears(n int) {
	s.t.Helper()
	s.publish(n)
	s.upTo(n)
}

// hearsOfAGap publishes until a gap is reported: events are lost while nobody listens.
func (s *telling) hearsOfAGap() {
	s.t.Helper()
	gaps, begun := s.gaps, time.Now()
	for ; s.gaps == gaps; s.next(200 * time.Millisecond) {
		if time.Since(begun) > 2*time.Minute {
			s.t.Fatalf("no gap is said behind %d", s.last)
		}
		s.publish(s.said + 1)
	}
	s.hears(s.said + 1) // the last one may have been lost too
}

// proxyTo creates a proxy of a peer's stream.
func (p *proxyWorld) proxyTo(t *testing.T, key, url, channel string) string {
	t.Helper()
	ask := map[string]any{"name": "other", "url": url,
		"headers": map[string]string{"Authorization": "Bearer " + canary},
		// pushpin closes connections that come before all of it is running
		"limits": map[string]int{"first_byte_seconds": 5}}
	if channel != "" {
		ask["channel"] = channel
	}
	status, answer := p.call(t, "POST", "/v1/proxies", key, ask)
	var made struct{ ID string }
	if err := json.Unmarshal(answer, &made); err != nil || status != 201 {
		t.Fatalf("%d %s", status, answer)
	}
	return "/v1/proxies/" + made.ID + "/stream"
}

// 10,000 numbers come through a proxy from each server, over two breaks of the connection: if the server can resume,
// none is lost or repeated; otherwise a gap is reported before the first number that does not follow.
func TestServersThatOthersWrote(t *testing.T) {
	t.Parallel()
	const events = 10_000
	for name, start := range others {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of its time is pauses of other servers
			other := start(t)
			between := newMiddle(t, other.addr)
			p := newProxyWorld(t, func(*hub.Options) {})
			_, key := p.tenant(t)
			s := telling{follower: p.follow(t, p.proxyTo(t, key, "http://"+between.Addr().String()+other.path, ""),
				key), other: other}
			for round := range 2 {
				s.hears(max(s.said, (round+1)*events/3))
				between.cut()
				if !other.resumes {
					s.hearsOfAGap()
				}
			}
			s.hears(events)
			if other.resumes != (s.gaps == 0) || s.gaps > 2 {
				t.Errorf("%d gaps", s.gaps)
			}
		})
	}
}

// Each server is killed by SIGKILL and restarted at its place, twice in 10,000 numbers: once while it is quiet, with
// numbers to store before the proxy is back, and once in a burst. Both in a private stream and through a channel,
// nothing is lost or repeated if the server can resume; otherwise the stream has a gap event, and so has the channel
// for later readers.
func TestServersThatAreKilled(t *testing.T) {
	t.Parallel()
	const events = 10_000
	for name, start := range others {
		for way, channel := range map[string]string{"alone": "", "channel": "numbers"} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				other := start(t)
				p := newProxyWorld(t, func(*hub.Options) {})
				key := p.unbounded(t)
				s := telling{follower: p.follow(t, p.proxyTo(t, key, other.url(), channel), key), other: other}
				s.hears(events / 3)
				other.kill(t)
				if other.resumes && !other.keeps {
					waitForAnotherSecond(t) // nchan's ids have a resolution of seconds
				}
				other.start(t)
				if name == "nchan" {
					forgotten(t, "http://"+other.addr+"/pub/numbers")
				}
				if !other.resumes {
					s.hearsOfAGap()
				}
				s.hears(2 * events / 3)
				if other.keeps {
					told := make(chan error)
					go func() { told <- other.publish(s.said+1, events) }()
					s.upTo(s.said + 50)
					other.kill(t)
					other.start(t)
					if err := <-told; err != nil {
						t.Fatal(err)
					}
					s.said = events
				} else {
					other.kill(t)
					if other.resumes {
						waitForAnotherSecond(t)
					}
					other.start(t)
					if !other.resumes {
						s.hearsOfAGap()
					}
				}
				s.hears(events)
				if other.resumes != (s.gaps == 0) || s.gaps > 2 {
					t.Errorf("%d gaps", s.gaps)
				}
				if channel != "" {
					late := p.follow(t, "/v1/stream?channel=numbers&after=0", key)
					late.upTo(events)
					if late.gaps != s.gaps {
						t.Errorf("the channel has %d gaps, and %d were said", late.gaps, s.gaps)
					}
				}
			})
		}
	}
}

// unbounded makes a tenant without limits and returns its key.
func (p *proxyWorld) unbounded(t *testing.T) string {
	t.Helper()
	id, _ := p.tenant(t)
	limits := map[string]*int64{"events_per_second": new(int64(0)), "events_per_month": new(int64(0)),
		"retention_events": new(int64(100_000))}
	if _, err := p.accounts.UpdateAsOperator(t.Context(), id, account.OperatorPatch{Limits: limits}); err != nil {
		t.Fatal(err)
	}
	return p.keyOf(t, id)
}

// forgotten checks that nchan knows nothing of a channel: its memory is gone, and events that are not published again
// are lost.
func forgotten(t *testing.T, url string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("nchan answers %d", res.StatusCode)
	}
}

func waitForAnotherSecond(t *testing.T) {
	t.Helper()
	at := time.Now().Unix()
	eventually(t, "it is another second", func() bool { return time.Now().Unix() > at })
}
