package api_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPublishedEventIsReadBackByteForByte(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	const data = `{"b":1e400,"a":"\u00e9\ud800<>&","a":[]}`
	a := w.do("POST", "/v1/channels/orders.42/events", ten.key, `{"type":"order.paid", "data": `+data+` }`).want(202)
	if a.get("channel") != "orders.42" || a.get("subscribers") != "3" || a.get("duplicate") != "null" {
		t.Errorf("got %s, want channel orders.42, subscribers 3, duplicate null", a.body)
	}
	w.pump()
	for _, path := range []string{"/v1/events/" + a.get("id"), "/v1/channels/orders.42/events"} {
		if got := w.do("GET", path, ten.key, nil).want(200); !strings.Contains(string(got.body), `"data":`+data) {
			t.Errorf("%s: got %s, want the body containing %v", path, got.body, `"data":`+data)
		}
	}
}

func TestAnEventWithTheSameIDIsADuplicateOnceItIsInItsChannel(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	const body = `{"type":"x","data":1,"id":"order 42"}`
	first := w.do("POST", "/v1/channels/a/events", ten.key, body).want(202)
	w.pump()
	again := w.do("POST", "/v1/channels/a/events", ten.key, body).want(200)
	if again.get("id") != first.get("id") || again.get("duplicate") != "true" {
		t.Errorf("got %s, want id %v, duplicate true", again.body, first.get("id"))
	}
	w.pump()
	if n := w.do("GET", "/v1/channels/a/events", ten.key, nil).want(200).length("data"); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestHistoryIsReadPageByPage(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for i := range 5 {
		w.publish(ten, "a", fmt.Sprint(i))
	}
	var seen []string
	after := "0"
	for after != "null" {
		a := w.do("GET", "/v1/channels/a/events?limit=2&after="+after, ten.key, nil).want(200)
		for i := range a.length("data") {
			seen = append(seen, a.get("data", i, "seq")+"="+a.get("data", i, "data"))
		}
		after = a.get("next_cursor")
	}
	if got := strings.Join(seen, " "); got != "1=0 2=1 3=2 4=3 5=4" {
		t.Errorf(`saw %s, want "1=0 2=1 3=2 4=3 5=4"`, got)
	}
	a := w.do("GET", "/v1/channels/a/events?after=5", ten.key, nil).want(200)
	if string(a.body) != `{"data":[],"next_cursor":null}` {
		t.Errorf(`got %s, want the body {"data":[],"next_cursor":null}`, a.body)
	}
	a = w.do("GET", "/v1/channels/a/events?after=9", ten.key, nil).want(200)
	if a.get("gap") != `{"from":1,"reset":true,"to":5}` {
		t.Errorf(`got %s, want gap {"from":1,"reset":true,"to":5}`, a.body)
	}
	a = w.do("GET", "/v1/channels/never.was/events", ten.key, nil).want(200)
	if string(a.body) != `{"data":[],"next_cursor":null}` {
		t.Errorf(`got %s, want the body {"data":[],"next_cursor":null}`, a.body)
	}
}

func TestPositionsThatAreNoneAre400(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.publish(ten, "a", "1")
	for _, after := range []string{"-1", "x", "1.5", "+1", "01", "1e3", "", "99999999999999999999", "1&after=2",
		strings.Repeat("1", 1<<12)} {
		w.do("GET", "/v1/channels/a/events?after="+after, ten.key, nil).want(400, "invalid_cursor")
	}
	for _, limit := range []string{"0", "-1", "101", "1e9", "NaN", "", "1&limit=1"} {
		w.do("GET", "/v1/channels/a/events?limit="+limit, ten.key, nil).want(400, "invalid_limit")
		w.do("GET", "/v1/channels?limit="+limit, ten.key, nil).want(400, "invalid_limit")
	}
	w.do("GET", "/v1/channels?cursor=x", ten.key, nil).want(400, "invalid_cursor")
}

func TestWhatRetentionPassedByIsAGap(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("PATCH", "/v1/tenants/"+ten.id, w.operator, `{"limits":{"retention_events":2}}`).want(200)
	for i := range 5 {
		w.publish(ten, "a", fmt.Sprint(i))
	}
	a := w.do("GET", "/v1/channels/a/events?after=1", ten.key, nil).want(200)
	if a.get("gap") != `{"from":2,"to":3}` || a.get("data", 0, "seq") != "4" || a.length("data") != 2 {
		t.Errorf(`got %s, want gap {"from":2,"to":3}, data.0.seq 4, 2 elements in data`, a.body)
	}
	if ch := w.do("GET", "/v1/channels/a", ten.key, nil).want(200); ch.get("first_seq") != "4" ||
		ch.get("last_seq") != "5" {
		t.Errorf("got %s, want first_seq 4, last_seq 5", ch.body)
	}
}

func TestAPurgedChannelIsEmptyAndGoesOnBehindItsLastNumber(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	id := w.publish(ten, "a", "1")
	w.publish(ten, "a", "2")
	w.do("DELETE", "/v1/channels/a", ten.key, nil).want(204)
	if a := w.do("GET", "/v1/channels/a/events", ten.key, nil).want(200); a.length("data") != 0 ||
		a.get("gap") != `{"from":1,"to":2}` {
		t.Errorf(`got %s, want 0 elements in data, gap {"from":1,"to":2}`, a.body)
	}
	w.do("GET", "/v1/events/"+id, ten.key, nil).want(404, "event_not_found")
	if ch := w.do("GET", "/v1/channels/a", ten.key, nil).want(200); ch.get("first_seq") != "null" ||
		ch.get("last_seq") != "2" {
		t.Errorf("got %s, want first_seq null, last_seq 2", ch.body)
	}
	w.publish(ten, "a", "3")
	if a := w.do("GET", "/v1/channels/a/events", ten.key, nil).want(200); a.get("data", 0, "seq") != "3" {
		t.Errorf("got %s, want data.0.seq 3", a.body)
	}
	w.do("DELETE", "/v1/channels/never.was", ten.key, nil).want(404, "channel_not_found")
}

func TestAChannelSaysWhetherItHasEnded(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("POST", "/v1/channels/a/events", ten.key, `{"type":"x","data":1,"end":true}`).want(202)
	w.pump()
	a := w.do("GET", "/v1/channels/a", ten.key, nil).want(200)
	if a.get("ended") != "true" || a.get("subscribers") != "3" {
		t.Errorf("got %s, want ended true, subscribers 3", a.body)
	}
	w.publish(ten, "a", "2")
	if a := w.do("GET", "/v1/channels/a", ten.key, nil).want(200); a.get("ended") != "false" {
		t.Errorf("got %s, want ended false", a.body)
	}
}

func TestChannelsAreListedByName(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for _, ch := range []string{"b", "a.b", "a"} {
		w.publish(ten, ch, "1")
	}
	a := w.do("GET", "/v1/channels?limit=2", ten.key, nil).want(200)
	if a.get("data", 0, "name") != "a" || a.get("data", 1, "name") != "a.b" {
		t.Errorf("got %s, want data.0.name a, data.1.name a.b", a.body)
	}
	rest := w.do("GET", "/v1/channels?limit=2&cursor="+a.get("next_cursor"), ten.key, nil).want(200)
	if rest.get("data", 0, "name") != "b" || rest.get("next_cursor") != "null" {
		t.Errorf("got %s, want data.0.name b, next_cursor null", rest.body)
	}
	w.do("GET", "/v1/keys?cursor="+a.get("next_cursor"), ten.key, nil).want(400, "invalid_cursor")
}

func TestMoreEventsThanTheRateAre429WithRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		w.do("PATCH", "/v1/tenants/"+ten.id, w.operator, `{"limits":{"events_per_second":1}}`).want(200)
		status := 0
		for range 100 {
			a := w.do("POST", "/v1/channels/a/events", ten.key, `{"type":"x","data":1}`)
			if status = a.status; status == 429 {
				if a.code() != "event_rate" || a.header.Get("Retry-After") == "" {
					t.Errorf("%s %v, want code event_rate, a Retry-After", a.body, a.header)
				}
				break
			}
		}
		if status != 429 {
			t.Fatal("a hundred events in no time passed a limit of one per second")
		}
		time.Sleep(10 * time.Second)
		w.do("POST", "/v1/channels/a/events", ten.key, `{"type":"x","data":1}`).want(202)
	})
}
