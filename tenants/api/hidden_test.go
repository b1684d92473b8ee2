package api_test

import (
	"encoding/json"
	"testing"
)

// raw returns the unchanged bytes of a member of the answer.
func raw(a answer, member string) string {
	a.t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &m); err != nil {
		a.t.Fatal(err)
	}
	return string(m[member])
}

func TestHiddenFieldsAreInNoAnswerToTheirRole(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	_, viewer := w.key(ten, "viewer")
	token := w.token(ten, `{"subject":"alice","roles":["viewer"],"channels":["*"],"ttl_seconds":60}`).get("token")
	const full = `{"n":1.50,"customer":{"email":"a@b.example","name":"A"}}`
	const seen = `{"n":1.50,"customer":{"name":"A"}}`
	id := w.publish(ten, "orders", full)
	other := w.publish(ten, "news", full)
	field := hidden("role:viewer", "customer.email")
	field["channel"] = "orders"
	w.setPolicy(ten, field)
	for _, credential := range []string{viewer, token} {
		if got := raw(w.do("GET", "/v1/events/"+id, credential, nil).want(200), "data"); got != seen {
			t.Errorf("the event: %s, want %v", got, seen)
		}
		got := w.do("GET", "/v1/channels/orders/events", credential, nil).want(200).get("data", 0, "data", "customer")
		if got != `{"name":"A"}` {
			t.Errorf(`the history: %s, want {"name":"A"}`, got)
		}
		if got := raw(w.do("GET", "/v1/events/"+other, credential, nil).want(200), "data"); got != full {
			t.Errorf("another channel's event: %s, want %v", got, full)
		}
	}
	if got := raw(w.do("GET", "/v1/events/"+id, ten.key, nil).want(200), "data"); got != full {
		t.Errorf("the owner sees %s, want %v", got, full)
	}
	w.setPolicy(ten)
	if got := raw(w.do("GET", "/v1/events/"+id, viewer, nil).want(200), "data"); got != full {
		t.Errorf("without the row: %s, want %v", got, full)
	}
}

// A body that is not JSON can only come from a webhook.
func TestAPayloadThatIsNoJSONIsWithheldFromARoleWithHiddenFields(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	_, viewer := w.key(ten, "viewer")
	s := w.source(ten, "orders")
	id := w.hook(s.path, s.secret, "d-1", `{"email":"a@b.example"`).want(202).get("id")
	w.pump()
	w.setPolicy(ten, hidden("role:viewer", "email"))
	if got := raw(w.do("GET", "/v1/events/"+id, viewer, nil).want(200), "data"); got != `{"withheld":true}` {
		t.Errorf(`the viewer sees %s, want {"withheld":true}`, got)
	}
	if got := w.do("GET", "/v1/events/"+id, ten.key, nil).want(200).get("data"); got != `{"email":"a@b.example"` {
		t.Errorf(`the owner sees %s, want {"email":"a@b.example"`, got)
	}
}
