package streamer

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend/browser"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/token"
)

// Chromium's WebSocket joins the fragments, answers pings, sees why a stream ended, and renews its token over it.
func TestAPagesWebSocket(t *testing.T) {
	w := newWorld(t)
	tenant, _ := w.tenant(t)
	page := browser.NewPage(t, "http://"+w.addr+"/healthz")
	page.Define(`var got = [], ends = []
	function connect(query) {
		const n = ends.push(null) - 1, s = new WebSocket("ws://" + location.host + "/v1/ws?" + query)
		s.onmessage = e => {
			const m = JSON.parse(e.data)
			if (m.type === "hookcast.open") return
			got.push(n + " " + m.type + " " + JSON.stringify(m.data ?? m.code ?? "") + " " + (m.cursor ?? ""))
		}
		s.onclose = e => ends[n] = [e.code, e.reason, e.wasClean]
		s.onopen = () => ends[n] = "open"
		return s
	}`)
	spec := token.Spec{Subject: "page", Channels: []string{"a"}, TTL: time.Hour}
	raw, next := w.token(t, tenant, spec), w.token(t, tenant, spec)
	quoted, _ := json.Marshal(next)

	w.publish(t, tenant, "a", `{"n":1}`)
	page.Run(`socket = connect("channel=a&after=0&token=` + raw + `")`)
	page.Wait(`got.length === 1`)
	page.Run(`socket.send(JSON.stringify({renew: ` + string(quoted) + `}))`)
	page.Wait(`got.length === 2`)
	w.append(t, tenant, "a", func(e *tenants.Event) { e.End = true }, `"bye"`)
	page.Wait(`Array.isArray(ends[0])`)
	page.Want(`got`, []string{`0 note {"n":1} 1`, `0 hookcast.renewed "" `, `0 note "bye" 2`,
		`0 hookcast.ended "" !stop`})
	page.Want(`ends[0]`, []any{1000, "hookcast.ended", true})

	// A page gets refusals over the socket: it could not read a status.
	page.Run(`connect("channel=secret&token=` + raw + `")`)
	page.Wait(`Array.isArray(ends[1])`)
	page.Want(`ends[1]`, []any{1008, "hookcast.denied", true})
	page.Want(`got[4]`, `1 hookcast.denied "channel_forbidden" !stop`)

	page.Run(`socket = connect("channel=b&token=` +
		w.token(t, tenant, token.Spec{Subject: "page", Channels: []string{"b"}, TTL: time.Hour}) + `")`)
	w.connected(t, 1)
	page.Wait(`ends[2] === "open"`)
	page.Run(`socket.send("hello")`)
	page.Wait(`Array.isArray(ends[2])`)
	page.Want(`ends[2]`, []any{1008, "a text must be a renewal", true})

	page.Run(`socket = connect("channel=b&token=` +
		w.token(t, tenant, token.Spec{Subject: "page", Channels: []string{"b"}, TTL: time.Hour}) + `")`)
	page.Wait(`ends[3] === "open"`)
	page.Run(`socket.close(4001, "done")`)
	page.Wait(`Array.isArray(ends[3])`)
	page.Want(`ends[3][2]`, true)
	eventually(t, "it has left", func() bool { return w.hub.Stats().Ended["left"] == 1 })
}
