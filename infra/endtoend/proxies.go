package endtoend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const upstreamKey = "sk-upstream-0123456789abcdef"

// upstream is somebody else's event stream: numbers with ids, and then nothing until it is left.
type upstream struct {
	*httptest.Server
	open, opened atomic.Int64
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+upstreamKey {
			http.Error(w, "not with "+r.Header.Get("Authorization"), http.StatusUnauthorized)
			return
		}
		u.open.Add(1)
		u.opened.Add(1)
		defer u.open.Add(-1)
		w.Header().Set("Content-Type", "text/event-stream")
		for n := 1; n <= 3; n++ {
			fmt.Fprintf(w, "event: number\nid: %d\ndata: {\"n\":%d}\n\n", n, n)
		}
		w.(http.Flusher).Flush()
		if r.URL.Path != "/finite" {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(func() {
		u.CloseClientConnections()
		u.Close()
	})
	return u
}

// hear opens a proxy's stream.
func (d Deployment) hear(t *testing.T, key, id, query string) *Stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	s, res, err := d.subscribe(ctx, "/v1/proxies/"+id+"/stream"+query, key, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if res.StatusCode != 200 {
		t.Fatalf("stream: %s", res.Status)
	}
	return s
}

// forwarded wants one upstream for listeners on every node there is, the key nowhere, and the upstream closed when the last has left.
func forwarded(t *testing.T, d Deployment, _ string) {
	u, tenant := newUpstream(t), d.Signup(t, "forwarded")
	create := func(path, key string, more map[string]any) (id string) {
		t.Helper()
		body := map[string]any{"name": "numbers", "url": u.URL + path, "headers": map[string]string{"Authorization": "Bearer " + key}}
		for k, v := range more {
			body[k] = v
		}
		var made struct{ ID string }
		a := d.Must(t, "POST", "/v1/proxies", tenant.Key, body).Want(t, 201)
		if strings.Contains(string(a.Body), key) {
			t.Errorf("the key is shown: %s", a.Body)
		}
		a.JSON(t, &made)
		return made.ID
	}
	shared := create("/", upstreamKey, map[string]any{"channel": "numbers"})
	var streams []*Stream
	for range 6 {
		streams = append(streams, d.hear(t, tenant.Key, shared, "?after=0"))
	}
	for i, s := range streams {
		for n := 0; n < 3; {
			f := mustNext(t, s)
			if f.Event == "hookcast.upstream" {
				continue
			}
			if n++; f.Event != "number" || f.Data != fmt.Sprintf(`{"n":%d}`, n) {
				t.Fatalf("listener %d got %+v where %d was due", i, f, n)
			}
		}
	}
	if n := u.opened.Load(); n != 1 {
		t.Errorf("%d upstreams for %d listeners", n, len(streams))
	}
	for _, s := range streams {
		s.Close()
	}
	for begun := time.Now(); u.open.Load() > 0; time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatal("the upstream is open although nobody listens")
		}
	}

	stream := Deployment{API: d.Stream, HTTP: d.HTTP}
	var got struct {
		Data []struct {
			Type, ID string
			Data     json.RawMessage
		}
		ClientDisconnected *bool `json:"client_disconnected"`
	}
	stream.Must(t, "POST", "/v1/proxies/"+create("/finite", upstreamKey, nil)+"/collect", tenant.Key, nil).Want(t, 200).JSON(t, &got)
	if len(got.Data) != 3 || got.Data[2].Type != "number" || got.Data[2].ID != "3" || string(got.Data[2].Data) != `{"n":3}` || got.ClientDisconnected == nil || *got.ClientDisconnected {
		t.Errorf("collected %+v", got)
	}
	const wrong = "sk-wrong-0123456789abcdef"
	a := stream.Must(t, "POST", "/v1/proxies/"+create("/", wrong, nil)+"/collect", tenant.Key, nil).Want(t, 502)
	if !strings.Contains(string(a.Body), `"status":401`) || strings.Contains(string(a.Body), wrong) {
		t.Errorf("refused: %s", a.Body)
	}
	if d.API != d.Stream {
		if a := d.Must(t, "POST", "/v1/proxies/"+shared+"/collect", tenant.Key, nil).Want(t, 404); !strings.Contains(string(a.Body), "wrong_host") {
			t.Errorf("on the other host: %s", a.Body)
		}
	}
}

// feedback wants who publishes to a channel of one client to learn that the client has come, and has left.
func feedback(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "feedback")
	publish := func() (p struct {
		Subscribers  int
		Disconnected *bool `json:"client_disconnected"`
	}) {
		t.Helper()
		d.Must(t, "POST", "/v1/channels/client.7/events", tenant.Key, map[string]any{"type": "token", "data": "x"}).Want(t, 202).JSON(t, &p)
		return p
	}
	if p := publish(); p.Disconnected == nil || *p.Disconnected || p.Subscribers != 0 {
		t.Errorf("before anybody came: %+v", p)
	}
	s := d.MustSubscribe(t, d.Token(t, tenant, "page", "client.*"), "", nil, "client.7")
	await := func(what string, holds func() bool) {
		t.Helper()
		for begun := time.Now(); !holds(); time.Sleep(200 * time.Millisecond) {
			if time.Since(begun) > patience {
				t.Fatal("not told: ", what)
			}
		}
	}
	await("somebody listens", func() bool { p := publish(); return p.Subscribers == 1 && !*p.Disconnected })
	s.Close()
	await("the client has left", func() bool { p := publish(); return p.Subscribers == 0 && *p.Disconnected })
}
