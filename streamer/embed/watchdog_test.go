package embed

import "testing"

// connectWithClock connects with a page clock that the test moves, and ticks of 2 ms; drift detection is off
// unless timings turn it on.
func connectWithClock(s *server, transport, timings string) *page {
	p := s.open()
	p.run(clock + `connect({url: '` + s.url + `', channels: 'orders', transport: '` + transport + `',
		timings: Object.assign({tick: 2, drift: 1e9, min: 1, max: 1}, ` + timings + `)})`)
	return p
}

func TestHeartbeatsKeepAStreamAndSilenceEndsIt(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := connectWithClock(s, transport, "{}")
		c := s.next("/v1/stream")
		c.send(first("1")) // says 40 s, so that 90 s of silence are too many
		p.wait("c.state === 'open'")
		for _, sign := range []struct{ frame, cursor string }{
			{event(2), "2"},
			{named("heartbeat", "2h", "{}"), "2h"},
			{named("gap", "9", `{"channel":"orders","from":3,"to":9}`), "9"},
		} {
			p.run("add(85e3)")
			p.ticked()
			p.want("states", []string{"open"})
			c.send(sign.frame)
			p.wait("c.cursor === '" + sign.cursor + "'")
		}
		p.run("add(91e3)")
		c.gone()
		c = s.next("/v1/stream")
		c.resumed("9")
		p.want("[c.state, c.reason]", []any{"waiting", "silent"})
		c.send(first("9"))
		p.wait("c.state === 'open'")
	})
}

func TestTheFirstFrameSetsTheHeartbeat(t *testing.T) {
	s := newServer(t)
	p := connectWithClock(s, "eventsource", "{}")
	c := s.next("/v1/stream")
	c.send(named("open", "1", `{"heartbeat_ms":1000}`))
	p.wait("c.state === 'open'")
	p.run("add(11e3)")
	p.ticked()
	p.want("states", []string{"open"})
	p.run("add(2e3)")
	c.gone()
	s.next("/v1/stream").resumed("1")
}

func TestAGetTokenThatHangsIsAskedAgain(t *testing.T) {
	s := newServer(t)
	p := s.open()
	p.run(clock + `connect({url: '` + s.url + `', channels: 'orders', timings: {tick: 2, drift: 1e9, min: 1, max: 1},
		getToken() { self.asked = (self.asked || 0) + 1; return asked === 1 ? new Promise(() => {}) : 'tok'; }})`)
	p.wait("self.asked === 1")
	p.run("add(91e3)")
	s.next("/v1/stream").bearer("tok")
	p.want("asked", 2)
}

func TestWakingUpReconnectsAtOnce(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := connectWithClock(s, transport, "{drift: 30e3, min: 1e6, max: 1e6}")
		c := s.next("/v1/stream")
		c.send(first("1"))
		p.wait("c.state === 'open'")
		p.run("add(31e3)") // a machine that slept: its clock jumps, its timers are late
		c.gone()
		c = s.next("/v1/stream")
		c.resumed("1")
		p.want("[c.state, c.reason]", []any{"connecting", nil})
		c.send(first("1"))
		p.wait("c.state === 'open'")

		p.run("dispatchEvent(new Event('online'))")
		c.gone()
		c = s.next("/v1/stream")
		c.resumed("1")
		c.send(first("1") + event(2))
		p.wait("c.state === 'open' && events.length === 1")

		p.run("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
		c.gone()
		s.quiet(p)
		p.run("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
		c = s.next("/v1/stream")
		c.resumed("2")
		p.run("c.close(); dispatchEvent(new Event('online'))")
		c.gone()
		s.quiet(p)
	})
}

// The timers of a hidden page run late without any sleep; what counts there is silence.
func TestAHiddenPageWakesWhenShownAfterSilence(t *testing.T) {
	s := newServer(t)
	p := connectWithClock(s, "eventsource", "{drift: 30e3}")
	p.run("var hidden = true; Object.defineProperty(document, 'hidden', {get: () => hidden})")
	c := s.next("/v1/stream")
	c.send(first("1"))
	p.wait("c.state === 'open'")
	p.run("add(49e3)")
	p.ticked()
	p.run("hidden = false; document.dispatchEvent(new Event('visibilitychange'))")
	p.ticked()
	p.want("states", []string{"open"})
	p.run("hidden = true; add(2e3)")
	p.ticked()
	p.want("states", []string{"open"})
	p.run("hidden = false; document.dispatchEvent(new Event('visibilitychange'))")
	c.gone()
	s.next("/v1/stream").resumed("1")
	p.want("states", []string{"open", "connecting"})
}

func TestAnotherNetworkGetsAnotherChanceToStream(t *testing.T) {
	s := newServer(t)
	p := s.connectHeld(`{channels: 'orders', ` + held + `}`)
	s.next("/v1/stream").block(p)
	s.next("/v1/stream").block(p)
	s.next("/v1/poll").page("1", envelope("orders", 1))
	c := s.next("/v1/poll")
	p.run("dispatchEvent(new Event('online'))")
	c.gone()
	c = s.next("/v1/stream")
	c.wants("after", "1")
	c.send(first("1"))
	p.wait("c.state === 'open' && c.transport === 'eventsource'")
}
