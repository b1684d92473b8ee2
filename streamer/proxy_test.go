package streamer

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/token"
)

func TestAProxyHandsOnEventsAndClosesTheUpstreamWhenItsCallerLeaves(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		p := newProxyWorld(t, sink)
		_, key := p.tenant(t)
		id := p.create(t, key, "/numbers?from=1&to=2000&ids=1", nil)
		s := p.hear(t, "/v1/proxies/"+id+"/stream", key)
		for n := 1; n <= 2000; n++ {
			if name, data, at := p.nextOf(t, s); name != "message" || data != fmt.Sprint(n) || at != data {
				t.Fatalf("got %s %q id %q, want %d", name, data, at, n)
			}
		}
		s.Close()
		eventually(t, "the upstream is closed", func() bool {
			return p.other.closed.Load() == 1 && p.relay.Stats().Upstreams == 0
		})
	})
}

func TestAClientOfItsOwnUpstreamGoesOnWhereTheOtherServerCan(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	id := p.create(t, key, "/numbers?to=5&ids=1", nil)
	s := p.hear(t, "/v1/proxies/"+id+"/stream", key, "Last-Event-ID: 3")
	for _, want := range []string{"4", "5"} {
		if _, data, at := p.nextOf(t, s); data != want || at != want {
			t.Fatalf("got %q id %q, want %s", data, at, want)
		}
	}
}

func TestAProxyWhoseUpstreamEndsEndsItsStream(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	id := p.create(t, key, "/finite?n=2", map[string]any{"method": "POST", "body": "{}"})
	s := p.hear(t, "/v1/proxies/"+id+"/stream", key)
	for n := 1; n <= 2; n++ {
		if name, data, _ := p.nextOf(t, s); name != "tick" || data != fmt.Sprintf(`{"n":%d}`, n) {
			t.Fatalf("got %s %s", name, data)
		}
	}
	if name, data, _ := p.nextOf(t, s, proxy.TypeUpstream); name != proxy.TypeUpstream ||
		data != `{"state":"ended"}` {
		t.Errorf("got %s %s", name, data)
	}
	if name, _, at := p.nextOf(t, s); name != "hookcast.ended" || at != hub.Stop {
		t.Errorf("got %s, id %q", name, at)
	}
	if a, _ := p.talk(t, "GET /v1/proxies/"+id+"/stream"+head+auth(key)+
		"\r\nLast-Event-ID: !stop\r\n\r\n"); a.StatusCode != 204 {
		t.Errorf("coming back: %d", a.StatusCode)
	}
}

func TestKeysOfAProxyAreInNothingThatIsSent(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	for _, path := range []string{"/echo", "/status?code=401", "/status?code=503", "/status?code=302", "/html"} {
		id := p.create(t, key, path, map[string]any{"reconnect": false, "headers": map[string]string{
			"Authorization": "Bearer " + canary, "X-Api-Key": canary + "-2", "Cookie": "session=" + canary,
		}})
		for _, show := range []string{"/v1/proxies", "/v1/proxies/" + id} {
			if status, b := p.call(t, "GET", show, key, nil); status != 200 ||
				!strings.Contains(string(b), "X-Api-Key") {
				t.Errorf("%s: %d %s", show, status, b)
			}
		}
		status, b := p.call(t, "POST", "/v1/proxies/"+id+"/collect", key, nil)
		var problem struct {
			Code     string
			Upstream struct {
				Status  int
				Excerpt string
			}
		}
		if err := json.Unmarshal(b, &problem); err != nil {
			t.Fatal(err)
		}
		if path == "/echo" {
			if status != 200 || !strings.Contains(string(b), "[redacted]") {
				t.Errorf("%s: %d %s", path, status, b)
			}
		} else if status != 502 || problem.Upstream.Status == 0 ||
			!strings.Contains(problem.Upstream.Excerpt, "[redacted]") {
			t.Errorf("%s: %d %s", path, status, b)
		}
		for _, accept := range []string{"*/*", "text/event-stream"} {
			p.call(t, "POST", "/v1/proxies/"+id+"/stream", key, nil, "Accept: "+accept)
		}
		once := map[string]any{"url": p.other.URL + path,
			"headers": map[string]string{"Authorization": "Bearer " + canary}, "mode": "collect"}
		if got, b := p.call(t, "POST", "/v1/proxies/run", key, once); got != status {
			t.Errorf("%s run once: %d %s", path, got, b)
		}
	}
	// A key that is in the wrong place of a request is not repeated either.
	for _, body := range []map[string]any{
		{"name": "a", "url": "https://user:" + canary + "@example.com/"},
		{"name": "a", "url": "ftp://example.com/" + canary},
		{"name": "a", "url": p.other.URL, "headers": map[string]string{"X-Key": canary + "\r\nX: y"}},
		{"name": "a", "url": p.other.URL, "headers": map[string]string{"Host": canary}},
		{"name": "a", "url": p.other.URL, "body": canary, "method": "GET"}, {"name": "a", "url": p.other.URL,
			"body": "{" + canary, "parameters": map[string]any{"a": map[string]any{"type": "id"}}},
	} {
		if status, b := p.call(t, "POST", "/v1/proxies", key, body); status != 422 {
			t.Errorf("%d %s", status, b)
		}
	}
}

func TestAProxyThatDoesNotAnswerWithAStreamIs502(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	for path, want := range map[string]string{
		"/status?code=404": "upstream_status", "/status?code=500": "upstream_status", "/html": "upstream_media_type",
		"/status?code=307": "upstream_redirect",
	} {
		id := p.create(t, key, path, nil)
		for _, way := range []string{"/stream", "/collect"} {
			if status, b := p.call(t, "POST", "/v1/proxies/"+id+way, key, nil); status != 502 ||
				!strings.Contains(string(b), `"code":"`+want+`"`) {
				t.Errorf("%s%s: %d %s", path, way, status, b)
			}
		}
		status, b := p.call(t, "GET", "/v1/proxies/"+id+"/stream", key, nil, "Accept: text/event-stream")
		frame := "hookcast.denied"
		if path == "/status?code=500" {
			frame = "hookcast.quota"
		}
		if status != 200 || !strings.Contains(string(b), frame) || !strings.Contains(string(b), want) {
			t.Errorf("%s to an EventSource: %d %s", path, status, b)
		}
	}
	if n := p.relay.Stats().Upstreams; n != 0 {
		t.Errorf("%d upstreams are open", n)
	}
}

func TestParametersFillHolesEscapedForWhereTheyStand(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	id := p.create(t, key, "/echo?city={{city}}&x=1", map[string]any{
		"method": "POST", "body": `{"prompt":"say \"{{city}}\"","n":{{n}}}`,
		"headers": map[string]string{"Authorization": "Bearer " + canary, "X-Lang": "{{lang}}"},
		"parameters": map[string]any{
			"city": map[string]any{"type": "text", "max_length": 20},
			"n":    map[string]any{"type": "integer", "min": 1, "max": 9, "default": 3},
			"lang": map[string]any{"type": "enum", "values": []string{"de", "fr"}},
		},
	})
	given := map[string]any{"parameters": map[string]any{"city": `Zü"r&i=c+h`, "lang": "fr"}}
	status, b := p.call(t, "POST", "/v1/proxies/"+id+"/collect", key, given)
	var got struct {
		Data []struct {
			Data struct {
				Target, Body string
				Headers      map[string][]string
			}
		}
	}
	if err := json.Unmarshal(b, &got); err != nil || status != 200 || len(got.Data) != 1 {
		t.Fatalf("%d %s", status, b)
	}
	d := got.Data[0].Data
	if d.Target != "/echo?city=Z%C3%BC%22r%26i%3Dc%2Bh&x=1" || d.Headers["X-Lang"][0] != "fr" {
		t.Errorf("asked for %+v", d)
	}
	var sent struct {
		Prompt string
		N      int
	}
	if err := json.Unmarshal([]byte(d.Body), &sent); err != nil || sent.Prompt != `say "Zü"r&i=c+h"` || sent.N != 3 {
		t.Errorf("sent %+v, %v", sent, err)
	}
	for name, bad := range map[string]map[string]any{
		"missing": {"lang": "de"}, "unknown": {"city": "a", "lang": "de", "x": "y"},
		"too long":      {"city": strings.Repeat("a", 21), "lang": "de"},
		"another value": {"city": "a", "lang": "it"}, "a number out of range": {"city": "a", "lang": "de", "n": 10},
		"a line break": {"city": "a\nX-Evil: 1", "lang": "de"},
	} {
		if status, b := p.call(t, "POST", "/v1/proxies/"+id+"/collect", key,
			map[string]any{"parameters": bad}); status != 422 {
			t.Errorf("%s: %d %s", name, status, b)
		}
	}
	if status, b := p.call(t, "GET", "/v1/proxies/"+id+"/stream?param.city=Bern&param.lang=it", key,
		nil); status != 422 {
		t.Errorf("in the query: %d %s", status, b)
	}
}

func TestWhoMayRunAProxyIsThePolicysToSay(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	tenant, key := p.tenant(t)
	_, strangers := p.tenant(t)
	id := p.create(t, key, "/numbers?to=1", nil)
	raw := p.token(t, tenant, token.Spec{Subject: "alice", Channels: []string{"a"}, TTL: time.Hour})
	path := "/v1/proxies/" + id + "/stream"
	if status, b := p.call(t, "GET", path, raw, nil); status != 403 || !strings.Contains(string(b), "proxy_forbidden") {
		t.Errorf("before: %d %s", status, b)
	}
	if status, _ := p.call(t, "GET", path, strangers, nil); status != 404 {
		t.Errorf("another tenant: %d", status)
	}
	p.setPolicy(t, tenant, access.Rule{Subject: "user:alice", Object: "proxy:" + id, Action: access.Subscribe,
		Effect: access.Allow})
	p.o.Gate.Forget(tenant)
	s := p.open(t, path+"?token="+raw, eventSource)
	if _, data, _ := p.nextOf(t, s); data != "1" {
		t.Errorf("got %q", data)
	}
	if status, b := p.call(t, "POST", "/v1/proxies/run", raw, map[string]any{"url": p.other.URL}); status != 403 {
		t.Errorf("a token runs a request of its own: %d %s", status, b)
	}
	p.setPolicy(t, tenant, access.Rule{Subject: "user:alice", Object: "proxy:" + id, Action: access.Subscribe,
		Effect: access.Deny})
	p.o.Gate.Forget(tenant)
	p.hub.Recheck(tenant)
	for {
		e := s.next(t)
		if e.Name == "hookcast.denied" {
			break
		}
	}
	eventually(t, "the upstream is closed", func() bool { return p.relay.Stats().Upstreams == 0 })
}

func TestCollectAnswersWithEverythingOrAsMuchAsItMay(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	for name, c := range map[string]struct {
		path   string
		limits map[string]int
		n      int
		ended  string
	}{
		"all of it":       {"/finite?n=1000", nil, 1000, "ended"},
		"nothing":         {"/finite?n=0", nil, 0, "ended"},
		"a cap on events": {"/finite?n=1000", map[string]int{"collect_events": 7}, 7, "events"},
		"a cap on bytes":  {"/finite?n=1000", map[string]int{"collect_bytes": 100}, 8, "bytes"},
		"a cap on time":   {"/numbers?to=3&ids=1", map[string]int{"collect_seconds": 1}, 3, "time"},
	} {
		t.Run(name, func(t *testing.T) {
			more := map[string]any{}
			if c.limits != nil {
				more["limits"] = c.limits
			}
			id := p.create(t, key, c.path, more)
			status, b := p.call(t, "POST", "/v1/proxies/"+id+"/collect", key, nil)
			var got struct {
				Data []struct {
					Type, ID string
					Data     json.RawMessage
				}
				ClientDisconnected *bool `json:"client_disconnected"`
				Ended              string
			}
			if err := json.Unmarshal(b, &got); err != nil || status != 200 {
				t.Fatalf("%d %.300s %v", status, b, err)
			}
			if len(got.Data) != c.n || got.Ended != c.ended || got.ClientDisconnected == nil ||
				*got.ClientDisconnected {
				t.Errorf("%d events, ended %q", len(got.Data), got.Ended)
			}
			if c.path == "/finite?n=1000" && (got.Data[0].Type != "tick" || got.Data[0].ID != "1" ||
				string(got.Data[0].Data) != `{"n":1}`) {
				t.Errorf("first: %+v", got.Data[0])
			}
		})
	}
	eventually(t, "no upstream is open", func() bool { return p.relay.Stats().Upstreams == 0 })
}

func TestACollectorThatHangsUpClosesTheUpstream(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	id := p.create(t, key, "/numbers?to=3", nil)
	c := p.ask(t, "/v1/proxies/"+id+"/stream", auth(key)) // so that the server is known to serve
	c.Close()
	conn := p.dial(t)
	fmt.Fprintf(conn, "POST /v1/proxies/%s/collect HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Length: 0\r\n\r\n", id,
		auth(key))
	eventually(t, "the upstream is open", func() bool {
		return p.other.opened.Load() >= 2 && p.relay.Stats().Upstreams == 1
	})
	conn.Close()
	eventually(t, "the upstream is closed", func() bool {
		return p.relay.Stats().Upstreams == 0 && p.other.closed.Load() == p.other.opened.Load()
	})
}

// TestARightThatIsTakenAwayWhileAnUpstreamOpensIsSeen revokes a key between the two checks of its request.
func TestARightThatIsTakenAwayWhileAnUpstreamOpensIsSeen(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		for _, shared := range []bool{false, true} {
			p := newProxyWorld(t, sink)
			tenant, owner := p.tenant(t)
			id := p.create(t, owner, "/numbers", map[string]any{"share": shared})
			key, viewer, err := p.keys.Create(t.Context(), tenant, account.KeySpec{Name: "v", Role: tenants.RoleOwner})
			if err != nil {
				t.Fatal(err)
			}
			revoke := func() {
				if err := p.keys.Delete(context.WithoutCancel(t.Context()), tenant, key.ID); err != nil {
					t.Error(err)
				}
			}
			p.other.asked.Store(&revoke)
			if status, b := p.call(t, "GET", "/v1/proxies/"+id+"/stream", viewer, nil); status != 401 {
				t.Errorf("shared %v: got %d %s, want 401", shared, status, b)
			}
			eventually(t, "the slot is free and the upstream closed", func() bool {
				return p.o.Admission.Usage(tenant) == (quota.Usage{}) &&
					p.other.closed.Load() == p.other.opened.Load()
			})
		}
	})
}
