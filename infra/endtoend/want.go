package endtoend

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// patience bounds what a deployment may take; whoever waits that long has found a fault.
const patience = 20 * time.Second

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

func (d Deployment) mustPost(t testing.TB, s Source, delivery string, body []byte, status int) (accepted Accepted) {
	t.Helper()
	a, err := d.GitHub(t.Context(), s, delivery, body)
	if err != nil {
		t.Fatal(err)
	}
	a.Want(t, status).JSON(t, &accepted)
	return accepted
}

// publish sends {"n":from} … {"n":to}.
func (d Deployment) publish(t testing.TB, by Tenant, channel string, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		d.Must(t, "POST", "/v1/channels/"+channel+"/events", by.Key, map[string]any{"type": "order.created", "data": map[string]int{"n": n}}).Want(t, 202)
	}
}

// awaitEvents returns once the channel has n events: what is accepted is on its way there.
func awaitEvents(t testing.TB, d Deployment, by Tenant, channel string, n int) {
	t.Helper()
	for have := int64(0); have < int64(n); {
		var page struct{ Data []Event }
		d.mustGet(t, fmt.Sprintf("%s/v1/poll?channel=%s&after=%d&wait=20", d.Stream, channel, have), by.Key).JSON(t, &page)
		if len(page.Data) == 0 {
			t.Fatalf("channel %s has no event %d", channel, have+1)
		}
		have = page.Data[len(page.Data)-1].Seq
	}
}

// awaitPost posts webhooks until one is answered with the status: what takes them in may go by what it read 5 s before it was posted.
func (d Deployment) awaitPost(t testing.TB, s Source, status int) {
	t.Helper()
	begin := time.Now()
	for n := 1; ; n++ {
		late := time.Since(begin) > 6*time.Second
		a, err := d.GitHub(t.Context(), s, fmt.Sprintf("%d-%d", status, n), []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		if a.Status == status {
			return
		}
		if late {
			t.Fatalf("webhooks are answered %d, want %d: %s", a.Status, status, a.Body)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// mustNext reads the next frame of an event, or of Hookcast's that a page has to know.
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

func wantNumber(t testing.TB, s *Stream, n int) {
	t.Helper()
	if f := mustNext(t, s); f.ID != fmt.Sprint(n) || f.Data != fmt.Sprintf(`{"n":%d}`, n) {
		t.Fatalf("got %+v where event %d was due", f, n)
	}
}

// wantDenied wants the stream told, and ended, within two seconds.
func wantDenied(t testing.TB, s *Stream) {
	t.Helper()
	begin := time.Now()
	if f := mustNext(t, s); f.Event != "hookcast.denied" || f.ID != "!stop" {
		t.Fatalf("got %+v", f)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the stream ended after %v", took)
	}
}
