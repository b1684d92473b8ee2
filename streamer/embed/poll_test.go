package embed

import (
	"fmt"
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend/browser"
)

// held is for pages where the wait for a stream's first frame, 1e6 ms, ends when the test says so.
const held = "timings: {min: 1, max: 1, open: 1e6}"

// expiry replaces the page's timers so that expire() ends the wait of 1e6 ms; expire is null when there is no wait.
const expiry = `var expire = null;
	{ const set = setTimeout, clear = clearTimeout;
	self.setTimeout = (f, ms) => ms === 1e6 ? (expire = f, -1) : set(f, ms);
	self.clearTimeout = (id) => { if (id === -1) expire = null; else clear(id); }; }`

// connectHeld connects a page with such a wait.
func (s *server) connectHeld(options string) *browser.Page {
	s.t.Helper()
	p := s.open()
	p.Run(expiry + fmt.Sprintf("connect(Object.assign({url: %q}, %s));", s.url, options))
	return p
}

// block ends a stream's wait for its first frame.
func (c *call) block(p *browser.Page) {
	c.t.Helper()
	p.Wait("expire")
	p.Run("expire()")
	c.gone()
}

func TestPollTakesOverWhereStreamsAreHeldBackTwice(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connectHeld(`{channels: ['orders', 'jobs'], token: 'tok', transport: '` + transport + `', ` + held + `}`)
		c := s.next("/v1/stream")
		c.send(first("4,0")) // the first one serves, so that there is a cursor
		p.Wait("c.state === 'open'")
		c.end()
		// Now a proxy keeps the body of one stream and even the headers of another.
		c = s.next("/v1/stream")
		c.hold()
		c.block(p)
		s.next("/v1/stream").block(p)
		c = s.next("/v1/poll")
		c.wants("wait", "0")
		c.wants("after", "4,0")
		c.wants("token", "")
		if got := c.header.Get("Authorization"); got != "Bearer tok" {
			t.Fatalf("Authorization: %q", got)
		}
		if got := c.query["channel"]; len(got) != 2 || got[0] != "orders" || got[1] != "jobs" {
			t.Fatalf("channels %q", got)
		}
		c.page("5,0", envelope("orders", 5))
		c = s.next("/v1/poll")
		c.wants("wait", "25")
		c.wants("after", "5,0")
		p.Want("[c.state, c.transport, c.cursor, events.length]", []any{"open", "poll", "5,0", 1})
		c.page("9,1", envelope("orders", 5), `{"type":"hookcast.gap","channel":"orders","from":6,"to":8}`,
			envelope("orders", 9), envelope("jobs", 1))
		s.next("/v1/poll").wants("after", "9,1")
		p.Want("events.map((e) => e.seq || [e.type, e.from, e.to])", []any{5, []any{"hookcast.gap", 6, 8}, 9, 1})
		p.Want("Object.values(sessionStorage)", []string{"9,1"})
		p.Run("c.close()")
	})
}

func TestOneBlockedAttemptIsNotEnoughForPolling(t *testing.T) {
	s := newServer(t)
	p := s.connectHeld(`{channels: 'orders', ` + held + `}`)
	for range 2 {
		c := s.next("/v1/stream")
		c.hold()
		c.block(p)
		c = s.next("/v1/stream")
		p.Want("c.reason", "blocked")
		c.send(first("1"))
		p.Wait("c.state === 'open'")
		c.end()
	}
	s.next("/v1/stream").send(first("1"))
	p.Wait("c.state === 'open' && c.transport === 'eventsource'")
}

// A server that is down blocks streams too, and its polls fail: then streaming is tried again first.
func TestAFailingPollGoesBackToStreams(t *testing.T) {
	s := newServer(t)
	p := s.connectHeld(`{channels: 'orders', ` + held + `}`)
	s.next("/v1/stream").block(p)
	s.next("/v1/stream").block(p)
	s.next("/v1/poll").answer(200, "<p>Welcome to the hotel</p>", "Content-Type", "text/html")
	c := s.next("/v1/stream")
	p.Want("[c.state, c.reason]", []any{"waiting", "network"})
	c.send(first("1") + event(2))
	p.Wait("events.length === 1 && c.transport === 'eventsource'")
}

func TestPollClimbsBackToStreams(t *testing.T) {
	s := newServer(t)
	p := s.connectHeld(`{channels: 'orders', timings: {min: 1, max: 1, open: 1e6, climb: -1}}`)
	s.next("/v1/stream").block(p)
	s.next("/v1/stream").block(p)
	s.next("/v1/poll").page("3", envelope("orders", 3))
	c := s.next("/v1/stream")
	c.wants("after", "3")
	c.block(p) // one attempt is enough to know that it is still blocked
	s.next("/v1/poll").page("4", envelope("orders", 4))
	s.next("/v1/stream").send(first("4") + event(5))
	p.Wait("events.length === 3 && c.transport === 'eventsource' && c.state === 'open'")
}

func TestPollAlone(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: 'orders', transport: 'poll', timings: {min: 1, max: 1, wait: 7}}`)
	s.next("/v1/poll").page("1")
	c := s.next("/v1/poll")
	c.wants("wait", "7")
	p.Want("[c.state, c.transport]", []any{"open", "poll"})
	c.page("1") // no event within the wait
	s.next("/v1/poll").answer(503, "")
	c = s.next("/v1/poll")
	c.wants("wait", "0")
	p.Want("[c.state, c.reason]", []any{"waiting", "http-503"})
	c.page("2", envelope("orders", 2))
	s.next("/v1/poll").page("!stop")
	p.Wait("c.state === 'closed'")
	p.Want("[c.reason, c.cursor]", []any{"ended", "2"})
	s.quiet(p)
}

func TestClosingInAHandlerLeavesTheRestOfAPage(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: 'orders', transport: 'poll', ` + fast + `}`)
	p.Run("c.on('order.created', () => c.close())")
	s.next("/v1/poll").page("2", envelope("orders", 1), envelope("orders", 2))
	p.Wait("c.state === 'closed'")
	p.Want("[events.length, c.cursor]", []any{1, ""})
	s.quiet(p)
}
