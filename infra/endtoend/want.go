package endtoend

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// patience bounds how long a deployment may take for one thing; a longer wait means a fault.
const patience = 20 * time.Second

// get sends a GET request to a whole address as the holder of key.
func (d Deployment) get(t testing.TB, address, key string) Answer {
	t.Helper()
	a, err := Deployment{API: address, HTTP: d.HTTP}.Do(t.Context(), http.MethodGet, "", key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (d Deployment) mustGet(t testing.TB, address, key string) Answer {
	t.Helper()
	return d.get(t, address, key).Want(t, 200)
}

// post posts a signed webhook.
func (d Deployment) post(t testing.TB, s Source, delivery string, body []byte, header ...string) Answer {
	t.Helper()
	a, err := d.GitHub(t.Context(), s, delivery, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// mustPost posts a signed webhook, and wants the status.
func (d Deployment) mustPost(t testing.TB, s Source, delivery string, body []byte, status int) (accepted Accepted) {
	t.Helper()
	d.post(t, s, delivery, body).Want(t, status).JSON(t, &accepted)
	return accepted
}

// publish sends {"n":from} to {"n":to}, one event each.
func (d Deployment) publish(t testing.TB, by Tenant, channel string, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		d.Must(t, "POST", "/v1/channels/"+channel+"/events",
			by.Key, map[string]any{"type": "order.created", "data": map[string]int{"n": n}}).Want(t, 202)
	}
}

// setLimit sets one of the tenant's limits.
func (d Deployment) setLimit(t testing.TB, of Tenant, operatorKey, limit string, n int) {
	t.Helper()
	d.Must(t, "PATCH", "/v1/tenants/"+of.ID, operatorKey, map[string]any{"limits": map[string]int{limit: n}}).Want(t,
		200)
}

// awaitEvents returns once the channel has n events: an accepted event reaches its channel a little later.
func awaitEvents(t testing.TB, d Deployment, by Tenant, channel string, n int) {
	t.Helper()
	for have := int64(0); have < int64(n); {
		var page struct{ Data []Event }
		d.mustGet(t, fmt.Sprintf("%s/v1/poll?channel=%s&after=%d&wait=20", d.Stream, channel, have), by.Key).
			JSON(t, &page)
		if len(page.Data) == 0 {
			t.Fatalf("channel %s has %d events, want %d", channel, have, n)
		}
		have = page.Data[len(page.Data)-1].Seq
	}
}

// await calls ask until enough accepts its answer, which it returns. It ends the test if patience runs out first.
func await[T any](t testing.TB, what string, ask func() T, enough func(T) bool) T {
	t.Helper()
	return awaitWithin(t, patience, what, ask, enough)
}

// awaitWithin is await with a limit of its own. The last call of ask begins after the limit.
func awaitWithin[T any](t testing.TB, limit time.Duration, what string, ask func() T, enough func(T) bool) T {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		late := time.Since(begin) > limit
		got := ask()
		if enough(got) {
			return got
		}
		if late {
			t.Fatalf("%s: after %v it still is %+v", what, limit, got)
		}
	}
}

// staleness bounds how long a process may use a tenant, a source or a policy that it read before a change.
const staleness = 6 * time.Second

// awaitPost posts webhooks until one is answered with the status.
func (d Deployment) awaitPost(t testing.TB, s Source, status int) {
	t.Helper()
	n := 0
	awaitWithin(t, staleness, fmt.Sprintf("a webhook answered %d", status), func() Answer {
		n++
		return d.post(t, s, fmt.Sprintf("%d-%d", status, n), []byte(`{}`))
	}, func(a Answer) bool { return a.Status == status })
}

// mustNext reads the next event, or the next frame of Hookcast's own that a page must handle.
func mustNext(t testing.TB, s *Stream) Frame {
	t.Helper()
	late := time.AfterFunc(patience, s.Close)
	defer late.Stop()
	f, err := s.NextEvent()
	if err != nil {
		t.Fatalf("waiting for a frame: %v", err)
	}
	return f
}

// wantNumber wants event n to be the next one.
func wantNumber(t testing.TB, s *Stream, n int) {
	t.Helper()
	if f := mustNext(t, s); f.ID != fmt.Sprint(n) || f.Data != fmt.Sprintf(`{"n":%d}`, n) {
		t.Fatalf("got %+v, want event %d", f, n)
	}
}

// wantDenied wants the stream to be told that it is denied, within two seconds.
func wantDenied(t testing.TB, s *Stream) {
	t.Helper()
	begin := time.Now()
	if f := mustNext(t, s); f.Event != "hookcast.denied" || f.ID != "!stop" {
		t.Fatalf("got %+v, want hookcast.denied", f)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the stream ended after %v, want at most 2 s", took)
	}
}
