package api_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/delivery"
)

// enable makes the endpoint's server answer the ownership challenge, so that the endpoint becomes enabled. The server
// answers other requests with status.
func (w *world) enable(ten tenant, endpoint string, status int) {
	w.t.Helper()
	w.posts.set(func(o tenants.Outgoing) tenants.Answer {
		var said struct{ Challenge string }
		if json.Unmarshal(o.Body, &said) == nil && said.Challenge != "" {
			return tenants.Answer{Status: 200, Connected: true, Body: []byte(`{"challenge":"` + said.Challenge + `"}`)}
		}
		return tenants.Answer{Status: status, Connected: true, Body: []byte("said"),
			Header: map[string][]string{"Server": {"test"}}}
	})
	w.do("POST", "/v1/endpoints/"+endpoint+"/verify", ten.key, `{}`).want(200)
	if state := w.do("GET", "/v1/endpoints/"+endpoint, ten.key, nil).want(200).get("state"); state != "enabled" {
		w.t.Fatalf("the endpoint is %s, want enabled", state)
	}
}

// work delivers the messages that are ready.
func (w *world) work() {
	w.t.Helper()
	d := delivery.NewDeliverer(w.outbox, w.posts)
	rs, err := w.outbox.Ready.Receive(w.t.Context(), 10, 0)
	w.must(err)
	if failed := d.Deliver(w.t.Context(), rs); len(failed) > 0 {
		w.t.Fatalf("%d messages failed, want 0", len(failed))
	}
	w.must(w.outbox.Ready.Done(w.t.Context(), rs...))
}

// delivered sends an event to an endpoint and returns the delivery's id.
func (w *world) delivered(ten tenant, event, endpoint string) string {
	w.t.Helper()
	w.enable(ten, endpoint, 200)
	id := w.do("POST", "/v1/events/"+event+"/replay", ten.key,
		`{"endpoint":"`+endpoint+`"}`).want(202).get("delivery_id")
	w.work()
	return id
}

// refusedDelivery makes a tenant with an endpoint, and an event that the endpoint has refused once.
func refusedDelivery(t *testing.T) (w *world, ten tenant, endpoint, event, delivery string) {
	w = newWorld(t)
	ten = w.tenant("Acme")
	endpoint = w.do("POST", "/v1/endpoints", ten.key,
		`{"name":"x","url":"https://hooks.example.com/","schedule_seconds":[3600]}`).want(201).get("id")
	event = w.publish(ten, "orders", `{"a":1}`)
	w.catchUp()
	w.enable(ten, endpoint, 503)
	delivery = w.do("POST", "/v1/events/"+event+"/replay", ten.key,
		`{"endpoint":"`+endpoint+`"}`).want(202).get("delivery_id")
	w.do("GET", "/v1/deliveries/"+delivery, ten.key, nil).want(404) // not visible before its first attempt
	w.work()
	return w, ten, endpoint, event, delivery
}

func TestDeliveryIsShownRetriedAndDead(t *testing.T) {
	w, ten, endpoint, event, delivery := refusedDelivery(t)
	a := w.do("GET", "/v1/deliveries/"+delivery, ten.key, nil).want(200)
	if a.get("state") != "pending" || a.get("event_id") != event || a.get("endpoint_id") != endpoint ||
		a.get("attempts", 0, "body") != "said" {
		t.Errorf("got %s, want state pending, event_id %v, endpoint_id %v, attempts.0.body said", a.body, event,
			endpoint)
	}
	w.do("POST", "/v1/deliveries/"+delivery+"/retry", ten.key, nil).want(202)
	w.work()
	if got := w.do("GET", "/v1/dead-letters", ten.key, nil).want(200).get("data", 0, "id"); got != delivery {
		t.Errorf("the dead letter is %s, want %v", got, delivery)
	}
	got := w.do("GET", "/v1/deliveries?state=dead&endpoint="+endpoint, ten.key, nil).want(200).get("data", 0, "reason")
	if got != "attempts_exhausted" {
		t.Errorf("dead for %s, want attempts_exhausted", got)
	}
	if got := w.do("GET", "/v1/deliveries?event="+event, ten.key, nil).want(200).get("data", 0, "id"); got != delivery {
		t.Errorf("of the event there is %s, want %v", got, delivery)
	}
	dry := w.do("POST", "/v1/dead-letters/redrive", ten.key, `{"dry_run":true}`).want(200)
	if dry.get("count") != "1" || dry.get("complete") != "true" {
		t.Errorf("a dry run: %s, want count 1, complete true", dry.body)
	}
	w.posts.set(nil)
	w.do("POST", "/v1/deliveries/"+delivery+"/retry", ten.key, nil).want(202)
	w.work()
	a = w.do("GET", "/v1/deliveries/"+delivery, ten.key, nil).want(200)
	if a.get("state") != "delivered" || a.get("attempts_made") != "3" {
		t.Errorf("got %s, want state delivered, attempts_made 3", a.body)
	}
	if got := w.do("GET", "/v1/dead-letters", ten.key, nil).want(200); got.length("data") > 0 {
		t.Errorf("dead letters are %s, want none", got.body)
	}
	code := w.do("POST", "/v1/deliveries/"+delivery+"/retry", ten.key, nil).want(409).code()
	if code != "delivery_done" {
		t.Errorf("code %s, want delivery_done", code)
	}
	code = w.do("POST", "/v1/deliveries/"+delivery+"/cancel", ten.key, nil).want(409).code()
	if code != "delivery_ended" {
		t.Errorf("code %s, want delivery_ended", code)
	}
}

func TestDeliveryIsCanceled(t *testing.T) {
	w, ten, _, _, delivery := refusedDelivery(t)
	if a := w.do("POST", "/v1/deliveries/"+delivery+"/cancel", ten.key, nil).want(200); a.get("state") != "canceled" {
		t.Errorf("got %s, want state canceled", a.body)
	}
}

func TestReplaysAreCountedAndStarted(t *testing.T) {
	w, ten, endpoint, _, _ := refusedDelivery(t)
	since := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	dry := w.do("POST", "/v1/replays", ten.key, `{"endpoint":"`+endpoint+`","since":"`+
		since+`","dry_run":true}`).want(200)
	if dry.get("count") != "1" {
		t.Errorf("got %s, want count 1", dry.body)
	}
	r := w.do("POST", "/v1/replays", ten.key, `{"endpoint":"`+endpoint+`","since":"`+
		since+`","channel":"orders","types":["test.*"]}`).want(202)
	if got := w.do("GET", "/v1/replays/"+r.get("id"), ten.key, nil).want(200); got.get("state") != "running" ||
		got.get("kind") != "replay" {
		t.Errorf("got %s, want state running, kind replay", got.body)
	}
	for _, body := range []string{
		`{"endpoint":"` + endpoint + `"}`, `{"since":"` + since + `"}`,
		`{"endpoint":"` + endpoint + `","since":"yesterday"}`,
		`{"endpoint":"` + endpoint + `","since":"2999-01-01T00:00:00Z"}`,
		`{"endpoint":"` + endpoint + `","since":"` + since + `","channel":"Not/One"}`,
		`{"endpoint":"` + endpoint + `","since":"` + since + `","types":["a b"]}`,
	} {
		w.do("POST", "/v1/replays", ten.key, body).want(422)
	}
	w.do("POST", "/v1/endpoints/"+endpoint+"/disable", ten.key, nil).want(200)
	code := w.do("POST", "/v1/replays", ten.key, `{"endpoint":"`+endpoint+`","since":"`+since+`"}`).want(409).code()
	if code != "endpoint_not_enabled" {
		t.Errorf("code %s, want endpoint_not_enabled", code)
	}
	for _, query := range []string{"state=lost", "endpoint=x", "event=x", "from=yesterday", "to=1",
		"state=dead&state=dead"} {
		if code := w.do("GET", "/v1/deliveries?"+query, ten.key, nil).want(400).code(); code != "invalid_filter" {
			t.Errorf("%s: code %s, want invalid_filter", query, code)
		}
	}
}
