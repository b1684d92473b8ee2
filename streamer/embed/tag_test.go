package embed

import (
	"fmt"
	"testing"
)

func TestScriptTagAlone(t *testing.T) {
	s := newServer(t)
	// In the head, before its target is parsed; the url is the script's origin.
	s.html = `<!doctype html><title>t</title><script>var events = [], states = [], errors = [];
		for (const k of ['event', 'state']) document.addEventListener('hookcast:' + k, (e) =>
			(k === 'event' ? events : states).push([e.target.id, e.detail]));</script>
		<script id=tag src="` + s.url + `/embed.js?v=1/2" data-channels="orders, jobs" data-token="tok" data-after=7,0
			data-target="#feed"></script><pre id=feed>Feed:
</pre>`
	p := s.open()
	c := s.next("/v1/stream")
	c.wants("token", "tok")
	c.wants("after", "7,0")
	if got := c.query["channel"]; len(got) != 2 || got[0] != "orders" || got[1] != "jobs" {
		t.Fatalf("channels %q", got)
	}
	c.send(first("7,0") +
		`data: {"id":"evt_1","seq":8,"channel":"orders","type":"x",` +
		`"data":{"html":"<img src=x onerror=alert(1)>"},"time":"T"}` + "\n\n" +
		`data: {"id":"evt_2","seq":1,"channel":"jobs","type":"y","data":"<b>text</b>","time":"T"}` + "\n\n" +
		named("gap", "", `{"channel":"jobs","from":2,"to":3}`))
	p.Wait("events.length === 3")
	p.Want("feed.textContent",
		"Feed:\nT orders x {\"html\":\"<img src=x onerror=alert(1)>\"}\nT jobs y <b>text</b>\njobs hookcast.gap\n")
	p.Want("[feed.children.length, Array.from(feed.childNodes, (n) => n.nodeType)]", []any{0, []int{3, 3, 3, 3}})
	p.Want("events[1]", []any{"feed", map[string]any{
		"id": "evt_2", "seq": 1, "channel": "jobs", "type": "y", "data": "<b>text</b>", "time": "T"}})
	p.Want("states", []any{[]any{"feed", map[string]any{"state": "open"}}})
	p.Want("tag.hookcast.state", "open")
	p.Run("tag.hookcast.close()")
	p.Want("states[1][1]", map[string]any{"state": "closed", "reason": "close"})
}

func TestTwoScriptTagsWithoutATargetSpeakToTheDocument(t *testing.T) {
	s := newServer(t)
	s.html = `<!doctype html><script>var events = [], states = [], errors = [], H;
		document.addEventListener('hookcast:event', (e) => events.push(e.detail.channel));</script>`
	for _, channel := range []string{"a", "b"} {
		s.html += fmt.Sprintf(
			`<script src="%s/embed.js" data-channels=%s data-transport=fetch></script>`+
				`<script>H = H || Hookcast</script>`, s.url, channel)
	}
	p := s.open()
	for range 2 {
		c := s.next("/v1/stream")
		c.send(first("0") + "data: " + envelope(c.query.Get("channel"), 1) + "\n\n")
	}
	p.Wait("events.length === 2")
	p.Want("[events.sort(), H === Hookcast]", []any{[]string{"a", "b"}, true})
}

func TestScriptTagKeepsTheLast500Lines(t *testing.T) {
	s := newServer(t)
	s.html = `<!doctype html><script>var events = [], states = [], errors = [];</script><p id=feed></p>
		<script src="` + s.url + `/embed.js" data-channels=orders data-target="#feed"></script>`
	p := s.open()
	c := s.next("/v1/stream")
	frames := first("0")
	for i := range 600 {
		frames += event(i + 1)
	}
	c.send(frames)
	p.Wait("feed.textContent.includes('{\"n\":600}')")
	p.Want("[feed.childNodes.length, /\"n\":100}/.test(feed.textContent), /\"n\":101}/.test(feed.textContent)]",
		[]any{500, false, true})
}

func TestScriptTagAsksForItsToken(t *testing.T) {
	s := newServer(t)
	s.html = `<!doctype html><script>var events = [], states = [], errors = [];</script>
		<script src="` + s.url + `/embed.js" data-channels=orders data-token-url="/token"></script>`
	s.open()
	s.next("/v1/stream").wants("token", "from the site")
}

// With the integrity attribute the browser itself checks the hash returned by Integrity.
func TestBrowserAcceptsTheIntegrityHash(t *testing.T) {
	s := newServer(t)
	s.html = `<!doctype html><script>var events = [], states = [], errors = [];</script><script src="` + s.url +
		`/embed.js" crossorigin=anonymous integrity="` + Integrity() + `"></script>`
	s.open().Want("typeof Hookcast.connect", "function")
}
