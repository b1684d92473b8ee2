package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend/browser"
	"github.com/hookcast/hookcast/streamer/peers"
)

// The demo page is the first thing that a newcomer sees: it shows a signed webhook, continues after the server was
// killed, and moves its progress bar by events. HOOKCAST_SCREENSHOT names a file for a screenshot of it.
func TestDemoPageShowsWebhooksAndSurvivesAKill(t *testing.T) {
	t.Parallel()
	addr, data := peers.FreeAddr(), filepath.Join(t.TempDir(), "data")
	p := start(t, addr, data)
	page := browser.NewPage(t, "http://"+addr+"/")
	page.Wait(`document.querySelector("#state").dataset.state === "open"`)

	page.Run(`document.querySelector("#send").click()`)
	page.Wait(`document.querySelectorAll("#feed li").length === 1`)
	page.Want(`document.querySelector("#feed .badge").textContent`, "signature verified")

	page.Run(`document.querySelector("#job").click()`)
	page.Wait(`document.querySelector("#bar").getAttribute("aria-valuenow") === "100"`)

	p.kill()
	p = start(t, addr, data)
	source := demoOf(t, p)
	for n := range 3 {
		body := fmt.Appendf(nil, `{"action":"closed","issue":{"number":%d,"title":"Sent while the page was away"}}`,
			40+n)
		if a, err := p.GitHub(t.Context(), source, fmt.Sprint("away-", n), body); err != nil || a.Status != 202 {
			t.Fatalf("the webhook is answered %+v (%v), want 202", a, err)
		}
	}
	page.Wait(`document.querySelectorAll("#feed li").length === 4`)
	page.Want(`[...document.querySelectorAll("#feed .seq")].map(n => n.textContent)`, []string{"#4", "#3", "#2", "#1"})

	page.Reload()
	page.Wait(`document.querySelectorAll("#feed li").length === 4`)
	page.Want(`document.querySelector("#bar").getAttribute("aria-valuenow")`, "100")
	page.Run(`document.querySelector("#send").click()`)
	page.Wait(`document.querySelectorAll("#feed li").length === 5`)

	page.Get(`Promise.all(document.getAnimations().map(a => a.finished)).then(() => 0)`)
	if path := os.Getenv("HOOKCAST_SCREENSHOT"); path != "" {
		if err := os.WriteFile(path, page.Screenshot(1200, 800), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A native EventSource never reconnects after an error status. Refused in-band, it reconnects by itself once there is
// room.
func TestFourthEventSourceIsToldOfTheQuotaAndConnectsWhenOneLeaves(t *testing.T) {
	t.Parallel()
	p := start(t, peers.FreeAddr(), filepath.Join(t.TempDir(), "data"))
	tenant := p.Signup(t, "three")
	p.Must(t, "PATCH", "/v1/tenants/"+tenant.ID, p.operatorKey(t),
		map[string]any{"limits": map[string]int{"connections": 3}}).Want(t, 200)
	url, err := json.Marshal("/v1/stream?channel=orders&token=" + p.Token(t, tenant, "page", "orders"))
	if err != nil {
		t.Fatal(err)
	}
	page := browser.NewPage(t, "http://"+p.addr+"/healthz")
	page.Define(`var states = [], streams = [], got = []
	function connect() {
		const n = streams.length, s = new EventSource(` + string(url) + `)
		states[n] = []
		for (const type of ["hookcast.open", "hookcast.quota"]) s.addEventListener(type, () => states[n].push(type))
		s.addEventListener("order.created", e => got.push(n + ":" + e.lastEventId))
		streams.push(s)
	}`)
	for n := range 3 {
		page.Run(`connect()`)
		page.Wait(fmt.Sprintf(`states[%d].includes("hookcast.open")`, n))
	}
	page.Run(`connect()`)
	page.Wait(`states[3].includes("hookcast.quota")`)
	page.Want(`states[3].includes("hookcast.open")`, false)
	page.Run(`streams[1].close()`)
	page.Wait(`states[3].includes("hookcast.open")`)
	p.Must(t, "POST", "/v1/channels/orders/events", tenant.Key,
		map[string]any{"type": "order.created", "data": 1}).Want(t, 202)
	page.Wait(`got.length === 3`)
	page.Want(`got.sort()`, []string{"0:1", "2:1", "3:1"})
}

// A page outlives its token on the same stream: the snippet renews it in place. Another stream with the first token
// shows when that token has expired.
func TestAPageOutlivesItsToken(t *testing.T) {
	t.Parallel()
	p := start(t, peers.FreeAddr(), filepath.Join(t.TempDir(), "data"))
	tenant := p.Signup(t, "outlives")
	mint := func(seconds int) string {
		var out struct{ Token string }
		p.Must(t, "POST", "/v1/tokens", tenant.Key, map[string]any{"subject": "page", "channels": []string{"orders"},
			"ttl_seconds": seconds}).Want(t, 201).JSON(t, &out)
		return out.Token
	}
	page := browser.NewPage(t, "http://"+p.addr+"/healthz")
	tokens := []string{mint(20), mint(3600)} // minted late: the browser may take long to start
	list, err := json.Marshal(tokens)
	if err != nil {
		t.Fatal(err)
	}
	page.Define(`var tokens = ` + string(list) + `, states = [], got = [], c
	function connect() {
		const onstate = (s, why) => states.push(why ? s + ":" + why : s)
		c = Hookcast.connect({channels: "orders", getToken: () => tokens.shift(), onstate})
			.on("*", e => got.push(e.seq))
	}
	const tag = document.createElement("script")
	tag.src = "/embed.js"
	tag.onload = connect
	document.head.append(tag)`)
	page.Wait(`states.length === 1`)
	if n := len(p.Connections(t, tenant)); n != 1 {
		t.Fatalf("the page has %d connections, want 1", n)
	}
	before := p.Connections(t, tenant)[0].ID
	twin := p.MustSubscribe(t, tokens[0], "", nil, "orders")
	for {
		f, err := twin.NextEvent()
		if err != nil {
			t.Fatal(err)
		}
		if f.Event == "hookcast.expired" {
			break
		}
	}
	p.Must(t, "POST", "/v1/channels/orders/events", tenant.Key,
		map[string]any{"type": "order.created", "data": 1}).Want(t, 202)
	page.Wait(`got.length === 1`)
	page.Want(`[states, tokens.length]`, []any{[]string{"open"}, 0})
	if left := p.Connections(t, tenant); len(left) != 1 || left[0].ID != before {
		t.Errorf("the page's connection was %s, and now the list has %+v", before, left)
	}
}
