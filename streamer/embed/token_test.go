package embed

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend/browser"
)

// counted is a getToken that returns t1, t2, …
const counted = "getToken: () => 't' + (self.minted = (self.minted || 0) + 1)"

// bearer checks the token that a request carries, in the query or in a header.
func (c *call) bearer(want string) {
	c.t.Helper()
	got := c.query.Get("token")
	if got == "" {
		got = c.header.Get("Authorization")
		want = "Bearer " + want
	}
	if got != want {
		c.t.Fatalf("token %q, want %q", got, want)
	}
}

func TestExpiredAsksForAnotherTokenAndResumes(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: 'orders', transport: '` + transport + `', ` + counted +
			`, timings: {min: 1e6, max: 1e6}}`)
		c := s.next("/v1/stream")
		c.bearer("t1")
		c.send(first("1") + event(2) + named("expired", "!stop", "{}") + event(9)) // 9 is out of order: not taken
		c.gone()
		c = s.next("/v1/stream")
		c.bearer("t2")
		c.wants("after", "2")
		if got := c.header.Get("Last-Event-ID"); got != "" {
			t.Fatalf("Last-Event-ID: %q", got)
		}
		c.send(first("2") + event(3))
		p.Wait("events.length === 2")
		p.Want("[states, c.cursor]", []any{[]string{"open", "waiting:expired", "open"}, "3"})
	})
}

func TestExpiredAgainAndAgainCloses(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: 'orders', transport: '` + transport + `', ` + counted + `, ` + fast + `}`)
		for i := range 4 {
			c := s.next("/v1/stream")
			c.bearer(fmt.Sprintf("t%d", i+1))
			c.send(first("1") + named("expired", "!stop", "{}"))
		}
		p.Wait("c.state === 'closed'")
		p.Want("c.reason", "expired")
		s.quiet(p)
	})
}

func TestStatus401AsksForAnotherToken(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: 'orders', transport: 'fetch', ` + counted + `, ` + fast + `}`)
	s.next("/v1/stream").answer(401, `{"code":"token_expired"}`, "Content-Type", "application/problem+json")
	c := s.next("/v1/stream")
	c.bearer("t2")
	c.send(first("1") + event(2))
	p.Wait("events.length === 1")
	c.end() // only consecutive refusals count
	for range 4 {
		s.next("/v1/stream").answer(401, "{}")
	}
	p.Wait("c.state === 'closed'")
	p.Want("[c.reason, minted]", []any{"http-401", 5})
	s.quiet(p)
}

func TestStatus401WithAFixedTokenCloses(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: 'orders', transport: 'fetch', token: 'old', ` + fast + `}`)
	s.next("/v1/stream").answer(401, "{}")
	p.Wait("c.state === 'closed'")
	p.Want("c.reason", "http-401")
	s.quiet(p)
}

func TestAGetTokenThatFailsIsAskedAgainAndAgain(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: 'orders', ` + fast + `, getToken() {
		self.asked = (self.asked || 0) + 1;
		if (asked === 1) throw new Error('offline');
		return asked === 2 ? Promise.reject(new Error('503')) : 'tok';
	}}`)
	c := s.next("/v1/stream")
	c.bearer("tok")
	p.Want("[c.state, c.reason]", []any{"waiting", "token"})
	c.send(first("1"))
	p.Wait("c.state === 'open'")
	p.Run("c.close(); connect({url: '" + s.url + "', channels: 'orders', " +
		fast + ", getToken() { asked++; throw 0; }}); asked = 0")
	p.Wait("c.state === 'closed'")
	p.Want("[c.reason, asked]", []any{"token", 21})
	p.Run("connect({url: '" + s.url + "', channels: 'orders', getToken: () => null})")
	p.Wait("c.state === 'closed'")
	p.Want("c.reason", "token")
	s.quiet(p)
}

// jwt returns a token whose claims can be read; nothing in a browser checks the rest.
func jwt(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// clock stops the page's clock until a test moves it: add(ms). Ticks still follow each other every 2 ms.
const clock = "var add = ((now) => { Date.now = () => now; return (ms) => { now += ms; }; })(Date.now());"

// ticked returns when the snippet has checked the clock a few more times.
func ticked(p *browser.Page) {
	p.Get("(async () => { for (let i = 0; i < 5; i++) await new Promise((done) => setTimeout(done, 4)); })()")
}

// renewal returns the next request, which must be for the renewal of that connection with that token.
func (s *server) renewal(connection, token string) *call {
	s.t.Helper()
	c := s.next("/v1/connections/" + connection + "/renew")
	if c.method != "POST" || c.header.Get("Authorization") != "Bearer "+token || len(c.query) > 0 {
		s.t.Fatalf("%s %v with %v", c.method, c.query, c.header)
	}
	return c
}

// This machine's clock does not matter if the token has both of its times.
func TestAStreamIsRenewedInPlaceBeforeFourFifthsOfItsTokensLife(t *testing.T) {
	for name, claims := range map[string]string{"by iat": `{"iat":1000,"exp":2000,"sub":"äöü?>"}`,
		"by the clock": `{"exp":EXP}`} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := newServer(t)
				p := s.open()
				p.Run(clock + `var claims = '` + claims +
					`'.replace('EXP', Math.round(Date.now() / 1e3) + 1000), minted = 0, tokens = [];
					connect({url: '` + s.url + `', channels: 'orders', transport: '` + transport + `',
						timings: {tick: 2, drift: 1e9, slack: 1e9, min: 1e6, max: 1e6},
						getToken: async () => (tokens[minted] = 'e30.' + btoa(unescape(encodeURIComponent(claims)))
							.replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '') + '.' + ++minted)});`)
				c := s.next("/v1/stream")
				c.send(opened("1", "con_1") + event(2))
				p.Wait("c.state === 'open' && c.cursor === '2'")
				p.Run("add(690e3)")
				ticked(p)
				p.Want("minted", 1)
				p.Run("add(120e3)")
				p.Wait("minted === 2")
				s.renewal("con_1", strings.Trim(p.Get("tokens[1]"), `"`)).answer(200, "{}")
				c.send(event(3))
				p.Wait("events.length === 2")
				ticked(p)
				p.Want("[minted, states]", []any{2, []string{"open"}})
				s.quiet(p)
			})
		})
	}
}

// A token that cannot be read is renewed when the server says so, each time.
func TestAStreamIsRenewedWhenTheServerSaysSo(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: 'orders', transport: '` + transport + `', ` + counted +
			`, timings: {min: 1e6, max: 1e6}}`)
		c := s.next("/v1/stream")
		c.send(opened("1", "con_1"))
		for n := range 3 {
			c.send(named("expiring", "", `{"expires_at":"2026-01-02T03:04:05Z"}`))
			s.renewal("con_1", fmt.Sprintf("t%d", n+2)).answer(200, "{}")
			c.send(event(n + 2))
			p.Wait(fmt.Sprintf("events.length === %d", n+1))
		}
		p.Want("[minted, states]", []any{4, []string{"open"}})
		s.quiet(p)
	})
}

// If the server no longer knows the connection, the next one already has the new token.
func TestARefusedRenewalReconnects(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := newServer(t)
		p := s.connect(`{channels: 'orders', transport: '` + transport + `', ` + counted + `, ` + fast + `}`)
		c := s.next("/v1/stream")
		c.send(opened("1", "con_1") + event(2) + named("expiring", "", "{}"))
		s.renewal("con_1", "t2").answer(404, "{}")
		c.gone()
		c = s.next("/v1/stream")
		c.bearer("t2")
		c.wants("after", "2")
		c.send(opened("2", "con_2") + named("expiring", "", "{}"))
		s.renewal("con_2", "t3").answer(200, "{}")
		p.Want("[states, minted]", []any{[]string{"open", "waiting:http-404", "open"}, 3})
	})
}

// A browser's own reconnect repeats the address, and so an expired token although a newer one exists.
func TestTheOldAddressOfARenewedStreamCostsNoToken(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: 'orders', ` + counted + `, ` + fast + `}`)
	c := s.next("/v1/stream")
	c.send(opened("1", "con_1") + event(2) + named("expiring", "", "{}"))
	s.renewal("con_1", "t2").answer(200, "{}")
	c.end()
	c = s.next("/v1/stream")
	c.bearer("t1")
	c.send(named("expired", "!stop", "{}"))
	c = s.next("/v1/stream")
	c.bearer("t2")
	c.wants("after", "2")
	c.send(opened("2", "con_2") + event(3))
	p.Wait("events.length === 2")
	p.Want("minted", 2)
}

// A server that does not send a stream's id has no renewal: the stream is reopened at its position.
func TestAStreamWithoutAnIDIsRenewedByReconnecting(t *testing.T) {
	s := newServer(t)
	p := s.connect(`{channels: 'orders', ` + counted + `, timings: {min: 1e6, max: 1e6}}`)
	c := s.next("/v1/stream")
	c.send(first("1") + event(2) + named("expiring", "", "{}"))
	next := s.next("/v1/stream")
	next.bearer("t2")
	next.wants("after", "2")
	c.gone()
	next.send(event(3))
	p.Wait("events.length === 2")
	p.Want("states", []string{"open"})
}

func TestAFailedRenewalLeavesTheStreamAlone(t *testing.T) {
	s := newServer(t)
	p := s.open()
	p.Run(clock + `var asked = 0; connect({url: '` + s.url + `', channels: 'orders',
		timings: {tick: 2, drift: 1e9, slack: 1e9}, getToken() {
			if (++asked === 2) throw new Error('no');
			return '` + jwt(`{"iat":1000,"exp":2000}`) + `';
		}});`)
	c := s.next("/v1/stream")
	c.send(first("1"))
	p.Wait("c.state === 'open'")
	p.Run("add(900e3)")
	p.Wait("asked === 2")
	ticked(p)
	c.send(event(2))
	p.Wait("events.length === 1")
	p.Want("[asked, states, errors]", []any{2, []string{"open"}, []string{}})
}
