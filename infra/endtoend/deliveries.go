package endtoend

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Delivery is the carrying of one event to one endpoint.
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

// moody is a server's answer: it echoes challenges, and answers what is sent by what its payload says. A thing is taken at its n-th try.
func moody() func(Received) (int, string) {
	var mu sync.Mutex
	tries := make(map[string]int)
	return func(r Received) (int, string) {
		var said struct {
			Challenge string
			N         int
			Taken     int // at which try; 0: the first
		}
		_ = json.Unmarshal(r.Body, &said)
		if said.Challenge != "" {
			return 200, `{"challenge":"` + said.Challenge + `"}`
		}
		mu.Lock()
		defer mu.Unlock()
		key := r.Path + "/" + r.Header.Get("Hookcast-Event-Id")
		tries[key]++
		if tries[key] < said.Taken {
			return 500, "not yet"
		}
		return 200, "taken"
	}
}

// requestsAt are those at the path that carry an event, once there are so many.
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

// until waits for what is to come about by itself.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within two minutes", what)
		}
	}
}

// deliveries needs a deployment that may post to this machine: an event comes in and goes out signed, is tried again where that failed, is
// given up at last, and taken up again.
func deliveries(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "deliveries")
	receiver := StartReceiver(t, moody())
	plain := d.Endpoint(t, tenant, receiver.URL+"/plain", map[string]any{"channels": []string{"orders.*"}, "schedule_seconds": []int{1}})
	inOrder := d.Endpoint(t, tenant, receiver.URL+"/ordered", map[string]any{"channels": []string{"orders.*"}, "schedule_seconds": []int{1, 1, 1}, "ordered": true})

	publish := func(n, taken int) string {
		var made struct{ ID string }
		body := map[string]any{"type": "order", "data": map[string]int{"n": n, "taken": taken}}
		d.Must(t, "POST", "/v1/channels/orders.1/events", tenant.Key, body).Want(t, 202).JSON(t, &made)
		return made.ID
	}
	first := publish(1, 2)
	dies := publish(2, 4)
	publish(3, 0)

	// The first is refused once and comes again, under the same message id and signed anew.
	for _, r := range requestsAt(t, receiver, "/plain", 5) {
		if !r.Signed(plain.Secret) || !strings.HasPrefix(r.Header.Get("Webhook-Id"), "dlv_") {
			t.Errorf("received %v", r.Header)
		}
	}
	show := func(e Endpoint, event string) (x Delivery) {
		var page struct{ Data []Delivery }
		d.Must(t, "GET", "/v1/deliveries?endpoint="+e.ID+"&event="+event, tenant.Key, nil).Want(t, 200).JSON(t, &page)
		if len(page.Data) > 0 {
			d.Must(t, "GET", "/v1/deliveries/"+page.Data[0].ID, tenant.Key, nil).Want(t, 200).JSON(t, &x)
		}
		return x
	}
	until(t, "the first is delivered", func() bool { return show(plain, first).State == "delivered" })
	if x := show(plain, first); x.Made != 2 || len(x.Attempts) != 2 || x.Attempts[0].Status != 500 || x.Attempts[0].Body != "not yet" || x.Attempts[1].Status != 200 {
		t.Errorf("the first is %+v", x)
	}

	// The second is given up after two, with both in its history; where the endpoint is ordered it holds up the third until its fourth try.
	until(t, "the second is dead", func() bool { return show(plain, dies).State == "dead" })
	var dead struct{ Data []Delivery }
	d.Must(t, "GET", "/v1/dead-letters", tenant.Key, nil).Want(t, 200).JSON(t, &dead)
	if len(dead.Data) != 1 || dead.Data[0].Event != dies || dead.Data[0].Reason != "attempts_exhausted" {
		t.Errorf("dead letters: %+v", dead.Data)
	}
	var order []int
	for _, r := range requestsAt(t, receiver, "/ordered", 7) {
		var said struct{ N int }
		if err := json.Unmarshal(r.Body, &said); err != nil {
			t.Fatal(err)
		}
		order = append(order, said.N)
	}
	if fmt.Sprint(order) != "[1 1 2 2 2 2 3]" {
		t.Errorf("the ordered endpoint was sent %v", order)
	}
	if got := requestsAt(t, receiver, "/ordered", 1)[0]; !got.Signed(inOrder.Secret) {
		t.Error("a request is not signed")
	}

	// Redriven it is tried for the third time and the fourth.
	var replay struct{ ID, State string }
	d.Must(t, "POST", "/v1/dead-letters/redrive", tenant.Key, map[string]any{"endpoint": plain.ID}).Want(t, 202).JSON(t, &replay)
	until(t, "the second is delivered", func() bool { return show(plain, dies).State == "delivered" })
	if x := show(plain, dies); x.Made != 4 || len(x.Attempts) != 4 {
		t.Errorf("redriven: %+v", x)
	}
	until(t, "the redrive is done", func() bool {
		d.Must(t, "GET", "/v1/replays/"+replay.ID, tenant.Key, nil).Want(t, 200).JSON(t, &replay)
		return replay.State == "done"
	})

	// An event that is there already is sent once more, under another message id.
	var again struct {
		Delivery string `json:"delivery_id"`
	}
	d.Must(t, "POST", "/v1/events/"+first+"/replay", tenant.Key, map[string]any{"endpoint": plain.ID}).Want(t, 202).JSON(t, &again)
	until(t, "the replay is delivered", func() bool {
		a := d.Must(t, "GET", "/v1/deliveries/"+again.Delivery, tenant.Key, nil).Want(t, 200, 404)
		return a.Status == 200 && strings.Contains(string(a.Body), `"delivered"`)
	})
}
