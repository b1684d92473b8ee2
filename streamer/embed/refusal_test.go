package embed

import (
	"strconv"
	"testing"
)

func TestStatusesThatEndIt(t *testing.T) {
	for _, status := range []int{400, 403, 404, 410} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			s := newServer(t)
			p := s.connect(`{channels: 'orders', transport: 'fetch', ` + fast + `}`)
			s.next("/v1/stream").answer(status, `{"code":"x"}`, "Content-Type", "application/problem+json")
			p.Wait("c.state === 'closed'")
			p.Want("c.reason", "http-"+strconv.Itoa(status))
			s.quiet(p)
		})
	}
}

func TestStatusesThatPass(t *testing.T) {
	for _, status := range []int{425, 429, 500, 502, 503} { // Chromium itself repeats a request that got 408
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			s := newServer(t)
			p := s.connect(`{channels: 'orders', transport: 'fetch', ` + fast + `}`)
			s.next("/v1/stream").answer(status, `{"code":"x"}`, "Content-Type", "application/problem+json")
			c := s.next("/v1/stream")
			p.Want("[c.state, c.reason]", []any{"waiting", "http-" + strconv.Itoa(status)})
			c.send(first("1") + event(2))
			p.Wait("events.length === 1")
		})
	}
}

// delays replaces the page's setTimeout: it records the snippet's delays and runs their functions at once. It leaves
// out the wait for a first frame, 1e6 ms in these tests.
const delays = `var waits = [];
	{ const real = setTimeout; self.setTimeout = (f, ms) => {
		if (!(ms > 100) || ms === 1e6) return real(f, ms);
		waits.push(ms);
		return real(f, 1);
	}; }`

func TestRetryAfterIsObeyedWithinReason(t *testing.T) {
	s := newServer(t)
	p := s.open()
	p.Run(delays + `connect({url: '` + s.url + `', channels: 'orders', transport: 'poll', timings: {min: 1, max: 1}})`)
	for _, after := range []string{"20", "Fri, 01 Jan 2100 00:00:00 GMT", "-5", "soon", "1"} {
		s.next("/v1/poll").answer(429, "", "Retry-After", after)
	}
	s.next("/v1/poll")
	p.Want("waits", []int{20001, 300000, 1001})
}

func TestBackOffGrowsWithFullJitterAndStartsAnewOnceOpen(t *testing.T) {
	s := newServer(t)
	p := s.open()
	p.Run(delays + `Math.random = () => 0.5; connect({url: '` + s.url + `', channels: 'orders', transport: 'poll'})`)
	for range 8 {
		s.next("/v1/poll").answer(503, "")
	}
	s.next("/v1/poll").page("1", envelope("orders", 1))
	s.next("/v1/poll").answer(503, "")
	s.next("/v1/poll")
	p.Want("waits", []int{750, 1250, 2250, 4250, 8250, 15250, 15250, 15250, 750})
}

// A stream's own retry time precedes back-off, and no server can send a page away for days.
func TestRetryFieldIsObeyedWithinReason(t *testing.T) {
	s := newServer(t)
	p := s.open()
	p.Run(delays + `connect({url: '` + s.url + `', channels: 'orders', transport: 'fetch',
		timings: {open: 1e6, min: 1, max: 1}})`)
	for _, retry := range []string{"7000", "99999999999", "7x", "-1", ""} {
		c := s.next("/v1/stream")
		c.send("retry: " + retry + "\n" + named("quota", "1", "{}"))
	}
	s.next("/v1/stream")
	p.Want("waits", []int{7000, 300000})
}

// After a 5xx a native EventSource never reconnects.
func TestADeadEventSourceIsReplacedByFetch(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: 'orders', token: 'tok', after: 3, ` + fast + `}`)
	s.next("/v1/stream").answer(503, "")
	c := s.next("/v1/stream")
	c.bearer("tok")
	c.wants("token", "")
	c.wants("after", "3")
	c.send(first("3") + event(4))
	p.Wait("events.length === 1")
	p.Want("[c.transport, states]", []any{"fetch", []string{"waiting:network", "open"}})
}

func TestA404IsSeenBehindADeadEventSource(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: 'orders', ` + fast + `}`)
	s.next("/v1/stream").answer(404, "")
	s.next("/v1/stream").answer(404, "")
	p.Wait("c.state === 'closed'")
	p.Want("c.reason", "http-404")
	s.quiet(p)
}

func TestACursorThatTheServerRefusesIsForgottenAloud(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: ['orders', 'jobs'], transport: 'fetch', after: 'of another age', ` + fast + `}`)
	s.next("/v1/stream").answer(400, `{"code":"bad_cursor"}`)
	c := s.next("/v1/stream")
	c.wants("after", "")
	c.send(first("5,5"))
	p.Wait("c.cursor === '5,5'")
	p.Want("events", []any{
		map[string]any{"channel": "orders", "reset": true, "type": "hookcast.gap"},
		map[string]any{"channel": "jobs", "reset": true, "type": "hookcast.gap"}})
}

func TestAnAnswerThatIsNoStreamIsTriedAgain(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: 'orders', transport: 'fetch', ` + fast + `}`)
	s.next("/v1/stream").answer(200, "<p>Welcome to the hotel</p>", "Content-Type", "text/html")
	c := s.next("/v1/stream")
	p.Want("[c.state, c.reason]", []any{"waiting", "http-200"})
	c.send(first("1"))
	p.Wait("c.state === 'open'")
}
