package embed

import (
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend/browser"
)

// connectWithClock connects with a page clock that the test moves, and ticks of 2 ms; drift detection is off unless
// timings enable it.
func connectWithClock(s *server, transport, timings string) *browser.Page {
	p := s.open()
	p.Run(clock + `connect({url: '` + s.url + `', channels: 'orders', transport: '` + transport + `',
		timings: Object.assign({tick: 2, drift: 1e9, min: 1, max: 1}, ` + timings + `)})`)
	return p
}

func TestHeartbeatsKeepAStreamAndSilenceEndsIt(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := connectWithClock(s, transport, "{}")
		c := s.next("/v1/stream")
		c.send(first("1")) // says 40 s, so that 90 s of silence are too long
		p.Wait("c.state === 'open'")
		for _, sign := range []struct{ frame, cursor string }{
			{event(2), "2"},
			{named("heartbeat", "2h", "{}"), "2h"},
			{named("gap", "9", `{"channel":"orders","from":3,"to":9}`), "9"},
		} {
			p.Run("add(85e3)")
			ticked(p)
			p.Want("states", []string{"open"})
			c.send(sign.frame)
			p.Wait("c.cursor === '" + sign.cursor + "'")
		}
		p.Run("add(91e3)")
		c.gone()
		c = s.next("/v1/stream")
		c.resumed("9")
		p.Want("[c.state, c.reason]", []any{"waiting", "silent"})
		c.send(first("9"))
		p.Wait("c.state === 'open'")
	})
}

func TestTheFirstFrameSetsTheHeartbeat(t *testing.T) {
	s := newServer(t)
	p := connectWithClock(s, "eventsource", "{}")
	c := s.next("/v1/stream")
	c.send(named("open", "1", `{"heartbeat_ms":1000}`))
	p.Wait("c.state === 'open'")
	p.Run("add(11e3)")
	ticked(p)
	p.Want("states", []string{"open"})
	p.Run("add(2e3)")
	c.gone()
	s.next("/v1/stream").resumed("1")
}

func TestAGetTokenThatHangsIsAskedAgain(t *testing.T) {
	s := newServer(t)
	p := s.open()
	p.Run(clock + `connect({url: '` + s.url + `', channels: 'orders', timings: {tick: 2, drift: 1e9, min: 1, max: 1},
		getToken() { self.asked = (self.asked || 0) + 1; return asked === 1 ? new Promise(() => {}) : 'tok'; }})`)
	p.Wait("self.asked === 1")
	p.Run("add(91e3)")
	s.next("/v1/stream").bearer("tok")
	p.Want("asked", 2)
}

func TestWakingUpReconnectsAtOnce(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := connectWithClock(s, transport, "{drift: 30e3, min: 1e6, max: 1e6}")
		c := s.next("/v1/stream")
		c.send(first("1"))
		p.Wait("c.state === 'open'")
		p.Run("add(31e3)") // a machine that slept: its clock jumps, its timers are late
		c.gone()
		c = s.next("/v1/stream")
		c.resumed("1")
		p.Want("[c.state, c.reason]", []any{"connecting", nil})
		c.send(first("1"))
		p.Wait("c.state === 'open'")

		p.Run("dispatchEvent(new Event('online'))")
		c.gone()
		c = s.next("/v1/stream")
		c.resumed("1")
		c.send(first("1") + event(2))
		p.Wait("c.state === 'open' && events.length === 1")

		p.Run("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
		c.gone()
		s.quiet(p)
		p.Run("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
		c = s.next("/v1/stream")
		c.resumed("2")
		p.Run("c.close(); dispatchEvent(new Event('online'))")
		c.gone()
		s.quiet(p)
	})
}

// The timers of a hidden page run late without any sleep; there only silence counts.
func TestAHiddenPageWakesWhenShownAfterSilence(t *testing.T) {
	s := newServer(t)
	p := connectWithClock(s, "eventsource", "{drift: 30e3}")
	p.Run("var hidden = true; Object.defineProperty(document, 'hidden', {get: () => hidden})")
	c := s.next("/v1/stream")
	c.send(first("1"))
	p.Wait("c.state === 'open'")
	p.Run("add(49e3)")
	ticked(p)
	p.Run("hidden = false; document.dispatchEvent(new Event('visibilitychange'))")
	ticked(p)
	p.Want("states", []string{"open"})
	p.Run("hidden = true; add(2e3)")
	ticked(p)
	p.Want("states", []string{"open"})
	p.Run("hidden = false; document.dispatchEvent(new Event('visibilitychange'))")
	c.gone()
	s.next("/v1/stream").resumed("1")
	p.Want("states", []string{"open", "connecting"})
}

func TestAnotherNetworkGetsAnotherChanceToStream(t *testing.T) {
	s := newServer(t)
	p := s.connectHeld(`{channels: 'orders', ` + held + `}`)
	s.next("/v1/stream").block(p)
	s.next("/v1/stream").block(p)
	s.next("/v1/poll").page("1", envelope("orders", 1))
	c := s.next("/v1/poll")
	p.Run("dispatchEvent(new Event('online'))")
	c.gone()
	c = s.next("/v1/stream")
	c.wants("after", "1")
	c.send(first("1"))
	p.Wait("c.state === 'open' && c.transport === 'eventsource'")
}
