package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// everything reads all pages of a list of events and returns one member of each event.
func (w *world) everything(by tenant, query string, limit int, member ...any) (found []string) {
	w.t.Helper()
	w.catchUp()
	for cursor := ""; ; {
		path := fmt.Sprintf("/v1/events?limit=%d&%s", limit, query)
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		a := w.do("GET", path, by.key, nil).want(200)
		for i := range a.length("data") {
			found = append(found, a.get(append([]any{"data", i}, member...)...))
		}
		if cursor = a.get("next_cursor"); cursor == "null" {
			return found
		}
	}
}

func TestEventsAreListedOverAllChannelsTheNewestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		s := w.source(ten, "hooks")
		var times []string
		for n := range 9 {
			times = append(times, time.Now().UTC().Format(time.RFC3339Nano))
			w.publish(ten, fmt.Sprintf("c%d", n%3), fmt.Sprint(n))
			time.Sleep(time.Second)
		}
		w.hook(s.path, s.secret, "d-1", `"nine"`).want(202)
		w.pump()
		const all = `["nine" 8 7 6 5 4 3 2 1 0]`
		for _, limit := range []int{1, 3, 100} {
			if got := fmt.Sprint(w.everything(ten, "", limit, "data")); got != strings.ReplaceAll(all, `"`, "") {
				t.Errorf("by %d: %s, want %v", limit, got, strings.ReplaceAll(all, `"`, ""))
			}
		}
		for query, want := range map[string]string{
			"channel=c1": "[7 4 1]", "source=" + s.id: "[nine]", "type=test&channel=c2": "[8 5 2]",
			"type=push": "[nine]", "type=other": "[]", "duplicate=true": "[]",
			"from=" + times[7] + "&channel=c1": "[7]", "to=" + times[2]: "[1 0]",
			"from=" + times[3] + "&to=" + times[5] + "&duplicate=false": "[4 3]",
		} {
			if got := fmt.Sprint(w.everything(ten, query, 2, "data")); got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
		time.Sleep(72*time.Hour - 5*time.Second) // half of the events are no longer within retention
		if got := fmt.Sprint(w.everything(ten, "", 100, "data")); got != "[nine 8 7 6 5 4]" {
			t.Errorf(`72 hours later: %s, want [nine 8 7 6 5 4]`, got)
		}
		w.do("DELETE", "/v1/channels/c2", ten.key, nil).want(204)
		if got := fmt.Sprint(w.everything(ten, "", 100, "data")); got != "[nine 7 6 4]" {
			t.Errorf(`once c2 is purged: %s, want [nine 7 6 4]`, got)
		}
	})
}

func TestAListHasOnlyChannelsThatItsReaderMayRead(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	_, viewer := w.key(ten, "viewer")
	_, publisher := w.key(ten, "publisher")
	w.publish(ten, "open", `"open"`)
	w.publish(ten, "secret", `{"a":{"b":1},"c":2}`)
	w.setPolicy(ten, right("role:viewer", "channel:open", "read", "deny"), hidden("role:viewer", "a.b"))
	if got := fmt.Sprint(w.everything(tenant{key: viewer}, "", 100, "data")); got != `[{"a":{},"c":2}]` {
		t.Errorf(`a viewer reads %s, want [{"a":{},"c":2}]`, got)
	}
	if got := w.everything(tenant{key: publisher}, "", 100, "data"); len(got) != 0 {
		t.Errorf("a publisher reads %s, want nothing", got)
	}
	token := w.token(ten, `{"subject":"alice","channels":["*"],"ttl_seconds":3600}`).get("token")
	w.do("GET", "/v1/events", token, nil).want(403, "api_key_required")
}

func TestFiltersThatAreNoneAre400(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for _, query := range []string{
		"channel=A", "channel=", "channel=a&channel=b", "source=x", "source=src_1", "type=%00", "type=", "duplicate=1",
		"duplicate=true&duplicate=false", "from=yesterday",
		"from=2026-01-01", "to=1e9", "to=-1", "from=2026-01-01T00:00:00Z&from=2026-01-02T00:00:00Z",
	} {
		w.do("GET", "/v1/events?"+query, ten.key, nil).want(400, "invalid_filter")
	}
	// unusual but well-formed
	for _, query := range []string{"from=9999-12-31T00:00:00Z", "to=0001-01-02T00:00:00Z",
		"from=0001-01-02T00:00:00Z&to=9999-12-31T23:59:59.999999999Z"} {
		w.do("GET", "/v1/events?"+query, ten.key, nil).want(200)
	}
	w.do("GET", "/v1/events?limit=0", ten.key, nil).want(400, "invalid_limit")
	w.do("GET", "/v1/events?cursor=x", ten.key, nil).want(400, "invalid_cursor")
	w.publish(ten, "a", "1")
	w.publish(ten, "a", "2")
	w.catchUp()
	cursor := w.do("GET", "/v1/events?limit=1", ten.key, nil).want(200).get("next_cursor")
	other := w.tenant("Bolt")
	w.do("GET", "/v1/events?cursor="+url.QueryEscape(cursor), other.key, nil).want(400, "invalid_cursor")
	w.do("GET", "/v1/events?cursor="+url.QueryEscape(altered(cursor)), ten.key, nil).want(400, "invalid_cursor")
}

// If several parameters are wrong, the answer names the same one each time.
func TestTheFilterThatIsNamedIsTheFirstThatIsRefused(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for path, first := range map[string]string{
		"/v1/events?to=1&from=1&duplicate=1&type=%00&source=x&channel=A": "channel",
		"/v1/deliveries?to=1&from=1&state=lost&event=x&endpoint=x":       "endpoint",
	} {
		for range 20 {
			detail := w.do("GET", path, ten.key, nil).want(400, "invalid_filter").get("detail")
			if !strings.HasPrefix(detail, "the parameter "+first+" must be ") {
				t.Fatalf("%s: detail %q, want it about %s", path, detail, first)
			}
		}
	}
}

func TestADeliveryIDWithAnotherBodyIsKeptAndSaysSo(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	s := w.source(ten, "hooks")
	first := w.hook(s.path, s.secret, "d-1", `1`).want(202).get("id")
	w.pump()
	second := w.hook(s.path, s.secret, "d-1", `2`).want(202).get("id")
	w.pump()
	if got := w.everything(ten, "duplicate=true", 10, "duplicate_of"); len(got) != 1 || got[0] != first {
		t.Errorf("duplicates of %v, want %s", got, first)
	}
	if got := w.everything(ten, "", 10, "id"); len(got) != 2 || got[0] != second || got[1] != first {
		t.Errorf("got %v, want %s and %s", got, second, first)
	}
	if got := w.hook(s.path, s.secret, "d-1", `2`).want(200).get("id"); got != second {
		t.Errorf("sent again it is %s, want %s", got, second)
	}
}

func TestAnEventSaysHowItCameIn(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	s := w.source(ten, "hooks")
	id := w.hook(s.path, s.secret, "d-1", `1`).want(202).get("id")
	w.pump()
	a := w.do("GET", "/v1/events/"+id, ten.key, nil).want(200)
	secret := w.do("GET", "/v1/sources/"+s.id, ten.key, nil).want(200).get("secrets", 0, "id")
	if got, want := raw(a, "provenance"),
		fmt.Sprintf(
			`{"scheme":"github","verified":true,"secret_id":%q,"delivery_id":"d-1",`+
				`"headers":{"X-Github-Delivery":"d-1","X-Github-Event":"push","X-Hub-Signature-256":%q}}`,
			secret, a.get("provenance", "headers", "X-Hub-Signature-256")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := w.everything(ten, "", 10, "provenance", "delivery_id"); fmt.Sprint(got) != "[d-1]" {
		t.Errorf("listed with %v, want [d-1]", got)
	}
	if got := w.do("GET", "/v1/events", ten.key, nil).want(200); strings.Contains(string(got.body),
		"X-Hub-Signature-256") {
		t.Errorf("a list shows the headers: %s, want the body without X-Hub-Signature-256", got.body)
	}
	token := w.token(ten, `{"subject":"alice","channels":["hooks"],"ttl_seconds":3600}`).get("token")
	if got := w.do("GET", "/v1/events/"+id, token, nil).want(200); raw(got, "provenance") != "" {
		t.Errorf("a page gets %s, want no provenance", got.body)
	}
	published := w.publish(ten, "other", "1")
	if got := w.do("GET", "/v1/events/"+published, ten.key, nil).want(200); raw(got, "provenance") != "" {
		t.Errorf("a published event is %s, want no provenance", got.body)
	}
}

// A payload comes from a third party: a browser that opens it must not run it.
func TestAPayloadIsDownloadedAndNeverRun(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	path := w.sourceOf(ten, "none", "")
	for _, tt := range []struct{ sent, body, want string }{
		{"text/html; charset=utf-8", "<script>alert(1)</script>", "text/html; charset=utf-8"},
		{"image/svg+xml", "<svg onload='x'/>", "image/svg+xml"},
		{"application/octet-stream", "\x00\xff\r\n", "application/octet-stream"},
		{"nonsense", "x", "application/octet-stream"},
		{"", "", "application/octet-stream"},
	} {
		headers := []string{"Content-Type", tt.sent}
		id := w.do("POST", path, "", tt.body, headers...).want(202).get("id")
		w.pump()
		a := w.do("GET", "/v1/events/"+id+"/payload", ten.key, nil).want(200)
		if string(a.body) != tt.body || a.header.Get("Content-Type") != tt.want {
			t.Errorf("%s: %q as %s, want the body %v, Content-Type %v", tt.sent, a.body, a.header.Get("Content-Type"),
				tt.body, tt.want)
		}
		if a.header.Get("Content-Disposition") != `attachment; filename="`+id+`"` ||
			a.header.Get("Content-Security-Policy") != "default-src 'none'; sandbox" ||
			a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf(
				`got %v, want Content-Disposition %v, Content-Security-Policy "default-src 'none'; sandbox", `+
					`X-Content-Type-Options nosniff, Cache-Control no-store`, a.header, `attachment; filename="`+id+`"`)
		}
	}
	id := w.publish(ten, "orders", `{"a":1,"b":2}`)
	_, viewer := w.key(ten, "viewer")
	w.setPolicy(ten, hidden("role:viewer", "a"))
	if got := w.do("GET", "/v1/events/"+id+"/payload", viewer, nil).want(200); string(got.body) != `{"b":2}` {
		t.Errorf(`got %s, want the body {"b":2}`, got.body)
	}
	w.setPolicy(ten, right("role:viewer", "channel:orders", "read", "deny"))
	w.do("GET", "/v1/events/"+id+"/payload", viewer, nil).want(404, "event_not_found")
}

func TestAReplayIsACopyThatSaysOfWhat(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	s := w.source(ten, "hooks")
	id := w.hook(s.path, s.secret, "d-1", `{ "n" : 1 }`).want(202).get("id")
	w.pump()
	path := "/v1/events/" + id + "/replay"
	a := w.do("POST", path, ten.key, `{"channel":"again"}`, "Idempotency-Key", "once").want(202)
	same := w.do("POST", path, ten.key, `{"channel":"again"}`, "Idempotency-Key", "once").want(202)
	if same.get("id") != a.get("id") {
		t.Errorf("got %s, then %s, want the same id", a.body, same.body)
	}
	w.pump()
	copied := w.do("GET", "/v1/events/"+a.get("id"), ten.key, nil).want(200)
	if a.get("replay_of") != id || a.get("channel") != "again" || copied.get("provenance", "replay_of") != id ||
		copied.get("provenance", "delivery_id") != "d-1" ||
		copied.get("type") != "push" || copied.get("source") != s.id || copied.get("channel") != "again" ||
		copied.get("seq") != "1" {
		t.Errorf("%s\n%s, want replay_of %v, channel again, provenance.replay_of %v, provenance.delivery_id d-1, "+
			"type push, source %v, channel again, seq 1", a.body, copied.body, id, id, s.id)
	}
	got := w.do("GET", "/v1/events/"+a.get("id")+"/payload", ten.key, nil).want(200)
	if string(got.body) != `{ "n" : 1 }` {
		t.Errorf(`the copy's payload is %s, want the body { "n" : 1 }`, got.body)
	}
	// A copy of a copy names the first event.
	again := w.do("POST", "/v1/events/"+a.get("id")+"/replay", ten.key, `{"channel":"hooks"}`).want(202).get("id")
	w.pump()
	if got := w.do("GET", "/v1/events/"+again, ten.key, nil).want(200).get("provenance", "replay_of"); got != id {
		t.Errorf("a copy of %s, want %v", got, id)
	}
	if got := w.everything(ten, "source="+s.id, 10, "channel"); fmt.Sprint(got) != "[hooks again hooks]" {
		t.Errorf("got %v, want [hooks again hooks]", got)
	}
	published := w.publish(ten, "a", "1")
	of := w.do("POST", "/v1/events/"+published+"/replay", ten.key, `{"channel":"b"}`).want(202).get("id")
	w.pump()
	var event struct{ Provenance json.RawMessage }
	w.must(json.Unmarshal(w.do("GET", "/v1/events/"+of, ten.key, nil).want(200).body, &event))
	if got, want := string(event.Provenance), fmt.Sprintf(`{"verified":true,"replay_of":%q}`, published); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestReplaysThatAreRefused(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	id := w.publish(ten, "orders", `{"a":1}`)
	path := "/v1/events/" + id + "/replay"
	for _, body := range []string{`{}`, `{"channel":"A"}`, `{"channel":"hookcast.notices"}`, `{"channel":1}`,
		`{"channel":"a","data":1}`, `{"channel":"a","tenant_id":"ten_1"}`} {
		w.do("POST", path, ten.key, body).want(422)
	}
	_, viewer := w.key(ten, "viewer")
	_, publisher := w.key(ten, "publisher")
	w.do("POST", path, viewer, `{"channel":"b"}`).want(403)
	w.do("POST", path, publisher, `{"channel":"b"}`).want(404, "event_not_found")
	w.setPolicy(ten, right("role:viewer", "channel:b", "publish", "allow"), hidden("role:viewer", "a"))
	w.do("POST", path, viewer, `{"channel":"b"}`).want(403, "event_has_hidden_fields")
	w.setPolicy(ten, right("role:viewer", "channel:b", "publish", "allow"))
	w.do("POST", path, viewer, `{"channel":"b"}`).want(202)
	w.do("POST", path, viewer, `{"channel":"c"}`).want(403)
}

// An answer has as many payloads as its size allows.
func TestALargeListIsCutAndGoesOn(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("PATCH", "/v1/tenants/"+ten.id, w.operator, `{"limits":{"events_per_second":0}}`).want(200)
	for range 20 {
		w.publish(ten, "a", `"`+strings.Repeat("x", 200<<10)+`"`)
	}
	w.catchUp()
	first := w.do("GET", "/v1/events?limit=100", ten.key, nil).want(200)
	if n := first.length("data"); n >= 20 || n < 4 || len(first.body) > 4<<20 {
		t.Errorf("%d events in %d bytes, want 4 to 19 in at most 4 MiB", n, len(first.body))
	}
	if got := w.everything(ten, "", 100, "id"); len(got) != 20 {
		t.Errorf("%d events in total, want 20", len(got))
	}
}

func TestAnEventSaysHowOldItsSignatureWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		path := w.sourceOf(ten, "stripe", "")
		for age, want := range map[int64]string{90: "90", -30: "-30"} {
			body, stamp := fmt.Sprintf(`{"id":"evt_%d","type":"x"}`, age), fmt.Sprint(time.Now().Unix()-age)
			id := w.do("POST", path, "", body, "Stripe-Signature",
				"t="+stamp+",v1="+signed(stamp+"."+body)).want(202).get("id")
			w.pump()
			got := w.do("GET", "/v1/events/"+id, ten.key, nil).want(200).get("provenance", "signature_age_seconds")
			if got != want {
				t.Errorf("signed %d s ago: %s, want %v", age, got, want)
			}
		}
	})
}
