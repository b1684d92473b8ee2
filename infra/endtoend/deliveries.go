package endtoend

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Delivery is the delivery of one event to one endpoint.
type Delivery struct {
	ID       string `json:"id"`
	Event    string `json:"event_id"`
	State    string `json:"state"`
	Reason   string `json:"reason"`
	Made     int    `json:"attempts_made"`
	Attempts []struct {
		Status  int    `json:"status"`
		Failure string `json:"failure"`
		Body    string `json:"body"`
	} `json:"attempts"`
}

// flakyAnswer returns the answers of a receiver: it echoes challenges, and accepts an event at the attempt that its
// payload names.
func flakyAnswer() func(Received) (int, string) {
	var mu sync.Mutex
	tries := make(map[string]int)
	return func(r Received) (int, string) {
		var payload struct {
			Challenge string
			N         int
			Taken     int // the attempt that is answered 200; 0: the first
		}
		_ = json.Unmarshal(r.Body, &payload)
		if payload.Challenge != "" {
			return 200, `{"challenge":"` + payload.Challenge + `"}`
		}
		mu.Lock()
		defer mu.Unlock()
		key := r.Path + "/" + r.Header.Get("Hookcast-Event-Id")
		tries[key]++
		if tries[key] < payload.Taken {
			return 500, "not yet"
		}
		return 200, "taken"
	}
}

// requestsAt returns the requests to the path that carry an event, once there are at least n.
func requestsAt(t testing.TB, r *Receiver, path string, n int) (found []Received) {
	t.Helper()
	until(t, fmt.Sprintf("%d requests at %s", n, path), func() bool {
		found = nil
		for _, q := range r.Requests() {
			if q.Path == path && q.Header.Get("Hookcast-Event-Id") != "" {
				found = append(found, q)
			}
		}
		return len(found) >= n
	})
	return found
}

// until waits up to two minutes for done to return true.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	awaitWithin(t, 2*time.Minute, what, done, func(is bool) bool { return is })
}

// deliveries delivers events to endpoints: signed, tried again after a failure, given up in the end, and redriven. It
// needs a deployment that may post to this machine.
func deliveries(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "deliveries")
	receiver := StartReceiver(t, flakyAnswer())
	plain := d.Endpoint(t, tenant, receiver.URL+"/plain",
		map[string]any{"channels": []string{"orders.*"}, "schedule_seconds": []int{1}})
	inOrder := d.Endpoint(t, tenant, receiver.URL+"/ordered",
		map[string]any{"channels": []string{"orders.*"}, "schedule_seconds": []int{1, 1, 1}, "ordered": true})

	publish := func(n, taken int) string {
		var made struct{ ID string }
		body := map[string]any{"type": "order", "data": map[string]int{"n": n, "taken": taken}}
		d.Must(t, "POST", "/v1/channels/orders.1/events", tenant.Key, body).Want(t, 202).JSON(t, &made)
		return made.ID
	}
	first := publish(1, 2)
	dies := publish(2, 4)
	publish(3, 0)

	// The first is refused once and comes again, with the same message id and a new signature.
	for _, r := range requestsAt(t, receiver, "/plain", 5) {
		if !r.Signed(plain.Secret) || !strings.HasPrefix(r.Header.Get("Webhook-Id"), "dlv_") {
			t.Errorf("the receiver got %v", r.Header)
		}
	}
	show := func(e Endpoint, event string) Delivery { return d.deliveryOf(t, tenant, e, event) }
	until(t, "the first event to be delivered", func() bool { return show(plain, first).State == "delivered" })
	if x := show(plain, first); x.Made != 2 || len(x.Attempts) != 2 || x.Attempts[0].Status != 500 ||
		x.Attempts[0].Body != "not yet" || x.Attempts[1].Status != 200 {
		t.Errorf("the first delivery is %+v", x)
	}

	// The second is given up after two attempts, and both are in its history. At the ordered endpoint it delays the
	// third until its fourth attempt.
	until(t, "the second event to be a dead letter", func() bool { return show(plain, dies).State == "dead" })
	var dead struct{ Data []Delivery }
	d.Must(t, "GET", "/v1/dead-letters", tenant.Key, nil).Want(t, 200).JSON(t, &dead)
	if len(dead.Data) != 1 || dead.Data[0].Event != dies || dead.Data[0].Reason != "attempts_exhausted" {
		t.Errorf("the dead letters are %+v", dead.Data)
	}
	var order []int
	for _, r := range requestsAt(t, receiver, "/ordered", 7) {
		var payload struct{ N int }
		if err := json.Unmarshal(r.Body, &payload); err != nil {
			t.Fatal(err)
		}
		order = append(order, payload.N)
	}
	if fmt.Sprint(order) != "[1 1 2 2 2 2 3]" {
		t.Errorf("the ordered endpoint got %v", order)
	}
	if got := requestsAt(t, receiver, "/ordered", 1)[0]; !got.Signed(inOrder.Secret) {
		t.Error("the request to the ordered endpoint is not signed")
	}

	d.redrive(t, tenant, plain, first, dies)
}

// deliveryOf returns the event's latest delivery to the endpoint, or the zero value if there is none.
func (d Deployment) deliveryOf(t testing.TB, by Tenant, e Endpoint, event string) (x Delivery) {
	t.Helper()
	var page struct{ Data []Delivery }
	d.Must(t, "GET", "/v1/deliveries?endpoint="+e.ID+"&event="+event, by.Key, nil).Want(t, 200).JSON(t, &page)
	if len(page.Data) > 0 {
		d.Must(t, "GET", "/v1/deliveries/"+page.Data[0].ID, by.Key, nil).Want(t, 200).JSON(t, &x)
	}
	return x
}

// redrive redrives the endpoint's dead letter of an event, and replays another event that was delivered.
func (d Deployment) redrive(t testing.TB, tenant Tenant, plain Endpoint, delivered, dead string) {
	t.Helper()
	show := func() Delivery { return d.deliveryOf(t, tenant, plain, dead) }
	// Redriven, it is attempted a third and a fourth time.
	var replay struct{ ID, State string }
	d.Must(t, "POST", "/v1/dead-letters/redrive", tenant.Key, map[string]any{"endpoint": plain.ID}).Want(t, 202).
		JSON(t, &replay)
	until(t, "the second event to be delivered", func() bool { return show().State == "delivered" })
	if x := show(); x.Made != 4 || len(x.Attempts) != 4 {
		t.Errorf("the redriven delivery is %+v", x)
	}
	until(t, "the redrive to be done", func() bool {
		d.Must(t, "GET", "/v1/replays/"+replay.ID, tenant.Key, nil).Want(t, 200).JSON(t, &replay)
		return replay.State == "done"
	})

	// An existing event is sent once more, with another message id.
	var again struct {
		Delivery string `json:"delivery_id"`
	}
	d.Must(t, "POST", "/v1/events/"+delivered+"/replay", tenant.Key, map[string]any{"endpoint": plain.ID}).
		Want(t, 202).JSON(t, &again)
	until(t, "the replay to be delivered", func() bool {
		a := d.Must(t, "GET", "/v1/deliveries/"+again.Delivery, tenant.Key, nil).Want(t, 200, 404)
		return a.Status == 200 && strings.Contains(string(a.Body), `"delivered"`)
	})
}
