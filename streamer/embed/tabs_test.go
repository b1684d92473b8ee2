package embed

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend/browser"
)

// tokenOf returns a token that names its user; serial makes tokens differ.
func tokenOf(subject string, serial int) string {
	claims := fmt.Sprintf(`{"sub":%q,"channels":["*"],"exp":%d,"jti":"%d"}`, subject, 4_000_000_000+serial, serial)
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// shared connects a page as a subject.
func (s *server) shared(subject string, serial int, options string) *browser.Page {
	return s.connect(fmt.Sprintf(`Object.assign({channels: 'orders', token: %q, %s}, %s)`, tokenOf(subject, serial),
		fast, options))
}

const seqs = "events.map((e) => e.seq)"

func TestTabsShareOneConnectionAndTheNextTakesOver(t *testing.T) {
	s := newServer(t)
	a := s.shared("ann", 1, "{}")
	c := s.next("/v1/stream")
	c.send(first("3"))
	a.Wait("c.state === 'open'")
	b, d := s.shared("ann", 2, "{}"), s.shared("ann", 3, "{}")
	for _, p := range []*browser.Page{b, d} {
		p.Wait("c.state === 'open'")
		p.Want("[c.transport, c.cursor]", []any{"tab", "3"})
	}
	c.send(event(4) + event(5))
	for _, p := range []*browser.Page{a, b, d} {
		p.Wait("events.length === 2")
		p.Want("["+seqs+", c.cursor, errors]", []any{[]int{4, 5}, "5", []string{}})
	}
	s.quiet(b)

	a.Run("c.close()")
	c.gone()
	c = s.next("/v1/stream") // of either
	c.wants("after", "5")
	c.send(first("5") + event(6))
	for _, p := range []*browser.Page{b, d} {
		p.Wait("events.length === 3")
	}
	c.end()
	c = s.next("/v1/stream")
	c.resumed("6")
	c.send(first("6") + event(6) + event(7))
	for _, p := range []*browser.Page{b, d} {
		p.Wait("events.length === 4")
		p.Want("["+seqs+", errors]", []any{[]int{4, 5, 6, 7}, []string{}})
	}
	a.Want(seqs, []int{4, 5})
	c.send(named("ended", "!stop", `{"channel":"orders"}`))
	for _, p := range []*browser.Page{b, d} {
		p.Wait("c.state === 'closed'")
		p.Want("c.reason", "ended")
	}
}

func TestATabThatComesLateReadsWhatTheOthersHad(t *testing.T) {
	s := newServer(t)
	a := s.shared("ann", 1, "{}")
	c := s.next("/v1/stream")
	c.send(first("3") + event(4))
	a.Wait("events.length === 1")
	b := s.shared("ann", 2, "{after: 1}")
	poll := s.next("/v1/poll")
	poll.wants("after", "1")
	poll.wants("wait", "0")
	c.send(event(5)) // while it reads
	a.Wait("events.length === 2")
	poll.page("4", envelope("orders", 2), envelope("orders", 3), envelope("orders", 4))
	poll = s.next("/v1/poll")
	poll.wants("after", "4")
	poll.page("5", envelope("orders", 5))
	s.next("/v1/poll").page("5")
	b.Wait("events.length === 4 && c.state === 'open'")
	c.send(event(6))
	b.Wait("events.length === 5")
	b.Want("["+seqs+", c.cursor, c.transport, errors]", []any{[]int{2, 3, 4, 5, 6}, "6", "tab", []string{}})
	// It reads the events that it cannot have been told.
	c.send(event(8))
	poll = s.next("/v1/poll")
	poll.wants("after", "6")
	poll.page("8", envelope("orders", 7), envelope("orders", 8))
	s.next("/v1/poll").page("8")
	b.Wait("events.length === 7")
	b.Want(seqs, []int{2, 3, 4, 5, 6, 7, 8})
}

func TestTabsOfOthersAreNotTold(t *testing.T) {
	s := newServer(t)
	ann := s.shared("ann", 1, "{}")
	mine := s.next("/v1/stream")
	mine.send(first("3"))
	for _, other := range []func() *browser.Page{
		func() *browser.Page { return s.shared("bob", 2, "{}") },                // another user
		func() *browser.Page { return s.shared("ann", 3, "{share: false}") },    // one with its own connection
		func() *browser.Page { return s.shared("ann", 4, "{channels: ['x']}") }, // other channels
		func() *browser.Page { return s.connect(`{channels: 'orders', token: 'opaque'}`) },
	} {
		p := other()
		c := s.next("/v1/stream")
		c.send(first("3"))
		p.Wait("c.state === 'open'")
		p.Want("c.transport", "eventsource")
		mine.send(event(4))
		ann.Wait("events.length > 0")
		s.quiet(p)
		p.Want("events", []any{})
	}
}

// A page that the browser froze holds its lock and passes nothing on. Another one takes the lock; the frozen one
// listens once it is back.
func TestATabThatIsFrozenLosesTheConnection(t *testing.T) {
	s := newServer(t)
	frozen := s.shared("ann", 1, "{timings: {min: 1, max: 1, tick: 1e9}}")
	c := s.next("/v1/stream")
	c.send(first("3"))
	frozen.Wait("c.state === 'open'")
	frozen.Run("BroadcastChannel.prototype.postMessage = () => {}")
	b := s.open()
	b.Run(clock +
		fmt.Sprintf(
			`connect({url: %q, channels: 'orders', token: %q, timings: {min: 1, max: 1, tick: 100, drift: 1e9}})`,
			s.url, tokenOf("ann", 2)))
	ticked(b) // it listens
	b.Run("add(91e3)")
	c.gone()
	c = s.next("/v1/stream")
	c.send(first("3"))
	b.Wait("c.state === 'open'")
	b.Want("c.transport", "eventsource")
	c.send(event(4))
	b.Wait("events.length > 0")
	frozen.Wait("events.length === 1")
	frozen.Want("["+seqs+", c.transport]", []any{[]int{4}, "tab"})
}
