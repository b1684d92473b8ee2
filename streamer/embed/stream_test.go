package embed

import (
	"testing"
)

// fast makes reconnecting take a millisecond.
const fast = "timings: {min: 1, max: 1}"

// transports are the two ways to stream; the cursor and the token are sent differently.
var transports = []string{"eventsource", "fetch"}

func eachTransport(t *testing.T, f func(t *testing.T, transport string)) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) { f(t, transport) })
	}
}

// resumed checks the position of a later request: the browser's own reconnect sends it in a header.
func (c *call) resumed(cursor string) {
	c.t.Helper()
	got := c.header.Get("Last-Event-ID")
	if got == "" {
		got = c.query.Get("after")
	}
	if got != cursor {
		c.t.Fatalf("resumed at %q, want %q", got, cursor)
	}
}

func TestNativeStream(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: ['orders', 'jobs'], token: 'tok'}`)
	c := s.next("/v1/stream")
	if got := c.query["channel"]; len(got) != 2 || got[0] != "orders" || got[1] != "jobs" {
		t.Fatalf("channels %q", got)
	}
	c.wants("types", "off")
	c.wants("token", "tok")
	c.wants("after", "")
	p.Want("[c.state, states]", []any{"connecting", []string{}})
	c.send(first("3,0"))
	p.Wait("c.state === 'open'")
	p.Run("c.on('order.created', (e) => { window.typed = e.data.n; })")
	c.send("id: 4,0\ndata: " + envelope("orders", 4) + "\n\nid: 4,1\ndata: " + envelope("jobs", 1) + "\n\n")
	p.Wait("events.length === 2")
	p.Want("events.map((e) => [e.channel, e.seq, e.id, e.data.n])", []any{
		[]any{"orders", 4, "evt_4", 4}, []any{"jobs", 1, "evt_1", 1}})
	p.Want("[c.transport, c.cursor, typed, errors]", []any{"eventsource", "4,1", 1, []string{}})
	p.Run("c.close()")
	c.gone()
	p.Want("[c.state, c.reason, states]", []any{"closed", "close", []string{"open", "closed:close"}})
}

func TestFetchStreamCarriesTheTokenInAHeader(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: 'orders', getToken: async () => 'tok', transport: 'fetch', after: 0}`)
	c := s.next("/v1/stream")
	c.wants("token", "")
	c.wants("types", "off")
	c.wants("after", "0")
	if got := c.header.Get("Authorization"); got != "Bearer tok" {
		t.Fatalf("Authorization: %q", got)
	}
	if got := c.header.Get("Accept"); got != "text/event-stream" {
		t.Fatalf("Accept: %q", got)
	}
	c.send(first("0") + event(1))
	p.Wait("events.length === 1")
	p.Want("[c.transport, c.state, c.cursor]", []any{"fetch", "open", "1"})
	p.Run("c.close()")
	c.gone()
}

func TestResumesWithTheCursorAfterTheServerClosed(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: 'orders', transport: '` + transport + `', ` + fast + `}`)
		c := s.next("/v1/stream")
		c.send(first("6") + event(7))
		p.Wait("events.length === 1")
		c.end()
		c = s.next("/v1/stream")
		c.resumed("7")
		p.Want("[c.state, c.reason]", []any{"waiting", "network"})
		c.send(first("7") + event(8))
		p.Wait("events.length === 2")
		p.Want("[states, c.cursor]", []any{[]string{"open", "waiting:network", "open"}, "8"})
	})
}

func TestFirstFrameAloneMovesTheCursor(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: 'orders', transport: '` + transport + `', ` + fast + `}`)
		c := s.next("/v1/stream")
		c.send(first("41"))
		p.Wait("c.cursor === '41'")
		c.end()
		s.next("/v1/stream").resumed("41")
	})
}

func TestReloadResumesFromSessionStorage(t *testing.T) {
	s := newServer(t)
	const options = `{channels: ['orders'], after: '2'}`
	p := s.connect(options)
	c := s.next("/v1/stream")
	c.wants("after", "2")
	c.send(first("2") + event(3))
	p.Wait("c.cursor === '3'")
	p.Reload()
	c.gone()
	p.Run("connect(Object.assign({url: '" + s.url + "'}, " + options + "))")
	s.next("/v1/stream").wants("after", "3")
	p.Run("c.close(); connect({url: '" + s.url + "', channels: ['orders', 'jobs']})") // other channels, other cursor
	s.next("/v1/stream").wants("after", "")
	p.Run("c.close(); connect({url: '" + s.url + "', channels: 'orders', resume: false})")
	s.next("/v1/stream").wants("after", "")
	p.Run("c.close(); connect({url: '" + s.url + "', channels: 'orders', resume: 'another account'})")
	s.next("/v1/stream").wants("after", "")
}

func TestWorksWhereStorageIsForbidden(t *testing.T) {
	s := newServer(t)
	p := s.open()
	p.Run(`Object.defineProperty(self, 'sessionStorage', {get() { throw new DOMException('no', 'SecurityError'); }});
		connect({url: '` + s.url + `', channels: 'orders'})`)
	s.next("/v1/stream").send(first("1") + event(2))
	p.Wait("events.length === 1 && c.cursor === '2'")
	p.Want("errors", []string{})
}

func TestDuplicatesAreDropped(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: ['orders', 'jobs'], transport: '` + transport + `'}`)
		c := s.next("/v1/stream")
		c.send(first("0") + event(1) + event(2) + event(1) + event(2) +
			"id: 2,1\ndata: " + envelope("jobs", 1) + "\n\n" + event(3))
		p.Wait("events.length >= 4")
		p.Want("events.map((e) => e.channel + e.seq)", []string{"orders1", "orders2", "jobs1", "orders3"})
		p.Want("c.cursor", "3")
	})
}

func TestGapIsSurfacedAndAResetStartsNumbersAnew(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: 'orders', transport: '` + transport + `'}`)
		p.Run("c.on('hookcast.gap', (g) => { window.gap = g; })")
		c := s.next("/v1/stream")
		c.send(first("9") + event(10) + named("gap", "20", `{"channel":"orders","from":11,"to":20}`) + event(10) +
			event(21))
		p.Wait("events.length === 3")
		p.Want("gap", map[string]any{"channel": "orders", "from": 11, "to": 20, "type": "hookcast.gap"})
		p.Want("events.map((e) => e.seq || e.type)", []any{10, "hookcast.gap", 21})
		c.send(named("gap", "0", `{"channel":"orders","from":1,"to":21,"reset":true}`) + event(1))
		p.Wait("events.length === 5")
		p.Want("[events[3].reset, events[4].seq, c.cursor]", []any{true, 1, "1"})
	})
}

func TestQuotaThenConnects(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: 'orders', transport: '` + transport + `', after: 5, timings: {min: 1e6, max: 1e6}}`)
		p.Run("c.on('hookcast.quota', (q) => { window.quota = q; })")
		for range 2 { // the server's retry counts, not the back-off
			c := s.next("/v1/stream")
			c.resumed("5")
			c.send("retry: 1\nid: 5\n\n" + named("quota", "5", `{"code":"connections","limit":3}`))
			if transport == "eventsource" { // the fetch stream is not closed first
				c.end()
			}
		}
		c := s.next("/v1/stream")
		p.Want("[c.state, c.reason, quota]", []any{"waiting", "quota",
			map[string]any{"code": "connections", "limit": 3, "type": "hookcast.quota"}})
		c.send(first("5") + event(6))
		p.Wait("events.length === 1")
		p.Want("states", []string{"waiting:quota", "open"})
	})
}

func TestGoodbyeReconnects(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: 'orders', transport: '` + transport + `', timings: {min: 1e6, max: 1e6}}`)
		c := s.next("/v1/stream")
		c.send(first("1") + "retry: 2\n" + named("goodbye", "", "{}"))
		p.Wait("c.reason === 'goodbye'")
		if transport == "eventsource" {
			c.end()
		}
		c = s.next("/v1/stream")
		c.resumed("1")
		c.send(first("1"))
		p.Wait("c.state === 'open'")
	})
}

func TestFinalFramesStop(t *testing.T) {
	for _, name := range []string{"ended", "denied", "expired"} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := newServer(t)
				p := s.connect(`{channels: 'orders', token: 'tok', transport: '` + transport + `', ` + fast + `}`)
				p.Run("c.on('hookcast." + name + "', (e) => { window.last = e; })")
				c := s.next("/v1/stream")
				c.send(first("1") + event(2) + named(name, "!stop", `{"channel":"orders"}`))
				p.Wait("c.state === 'closed'")
				p.Want("[c.reason, last, c.cursor, sessionStorage.length, Object.values(sessionStorage)]", []any{
					name, map[string]any{"channel": "orders", "type": "hookcast." + name}, "2", 1, []string{"2"}})
				c.gone()
				s.quiet(p)
			})
		})
	}
}

func TestOneEndedChannelOfTwoLeavesTheOther(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: ['orders', 'jobs']}`)
	c := s.next("/v1/stream")
	c.send(first("0,0") + named("ended", "0,3", `{"channel":"jobs"}`) + event(1))
	p.Wait("events.length === 1")
	p.Want("c.state", "open")
}

// A native EventSource cannot distinguish 204 from 503, so fetch asks again and sees it.
func TestStatus204Stops(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: 'orders', transport: '` + transport + `', ` + fast + `}`)
		s.next("/v1/stream").answer(204, "")
		if transport == "eventsource" {
			s.next("/v1/stream").answer(204, "")
		}
		p.Wait("c.state === 'closed'")
		p.Want("c.reason", "stopped")
		s.quiet(p)
	})
}

func TestThrowingHandlersDisturbNothing(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.open()
		p.Run(`connect({url: '` + s.url + `', channels: 'orders', transport: '` + transport +
			`', onstate() { throw new Error('state'); }})
			.on('order.created', () => { throw new Error('typed'); });`)
		c := s.next("/v1/stream")
		c.send(first("0") + event(1) + "data: {broken\n\n" + event(2))
		p.Wait("events.length === 2 && errors.length === 4")
		p.Want("[c.state, c.cursor, errors.filter((e) => /state|typed/.test(e)).length]", []any{"open", "2", 3})
	})
}

func TestClosingInAHandlerIsTheLastWord(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: 'orders', transport: '` + transport + `', ` + fast + `}`)
		p.Run("c.on('order.created', (e) => { if (e.seq === 2) c.close(); })")
		c := s.next("/v1/stream")
		c.send(first("0") + event(1) + event(2) + event(3))
		p.Wait("c.state === 'closed'")
		c.gone()
		s.quiet(p)
		p.Want("[events.length, c.cursor]", []any{2, "2"}) // 3 is left for the next connect
	})
}

func TestClosingInOnstateIsTheLastWord(t *testing.T) {
	s := newServer(t)
	p := s.open()
	p.Run(`connect({url: '` + s.url + `', channels: 'orders', transport: 'fetch', ` + fast + `,
		onstate(s) { states.push(s); if (s === 'waiting') c.close(); }})`)
	s.next("/v1/stream").answer(503, "")
	p.Wait("c.state === 'closed'")
	s.quiet(p)
	p.Want("states", []string{"waiting", "closed"})
}

func TestOffAndLoadedTwice(t *testing.T) {
	s := newServer(t)
	s.html += `<script>var H = Hookcast; var on1 = (e) => { events.push('one'); };</script><script src="` + s.url +
		`/embed.js"></script>`
	p := s.open()
	p.Want("[H === Hookcast, Hookcast.version]", []any{true, Version})
	p.Run("connect({url: '" + s.url +
		"', channels: 'orders'}).off('*').on('order.created', on1).on('order.created', () => events.push('two'))")
	c := s.next("/v1/stream")
	c.send(first("0") + event(1))
	p.Wait("events.length === 2")
	p.Run("c.off('order.created', on1).off('unknown', on1)")
	c.send(event(2))
	p.Wait("events.length === 3")
	p.Want("events", []string{"one", "two", "two"})
	p.Want(`(() => { try { Hookcast.connect({}); } catch (e) { return e.name; } })()`, "TypeError")
}
