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
)

const upstreamKey = "sk-upstream-0123456789abcdef"

// upstream is another company's event stream: three numbers with ids, and then silence until the client leaves.
type upstream struct {
	*httptest.Server
	open, opened atomic.Int64
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+upstreamKey {
			http.Error(w, "wrong key: "+r.Header.Get("Authorization"), http.StatusUnauthorized)
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

// subscribeProxy opens a proxy's stream.
func (d Deployment) subscribeProxy(t *testing.T, key, id, query string) *Stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	s, res, err := d.subscribe(ctx, "/v1/proxies/"+id+"/stream"+query, key, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if res.StatusCode != 200 {
		t.Fatalf("the stream is answered %s, want 200", res.Status)
	}
	return s
}

// createProxy creates a proxy of an upstream that wants the key; more holds further members.
func (d Deployment) createProxy(t *testing.T, by Tenant, address, key string, more map[string]any) (id string) {
	t.Helper()
	body := map[string]any{"name": "numbers", "url": address,
		"headers": map[string]string{"Authorization": "Bearer " + key}}
	for k, v := range more {
		body[k] = v
	}
	var made struct{ ID string }
	a := d.Must(t, "POST", "/v1/proxies", by.Key, body).Want(t, 201)
	if strings.Contains(string(a.Body), key) {
		t.Errorf("the answer contains the upstream's key: %s", a.Body)
	}
	a.JSON(t, &made)
	return made.ID
}

// sharedUpstream wants one upstream for the listeners on all nodes, its key in no answer, and the upstream closed
// after the last of them left.
func sharedUpstream(t *testing.T, d Deployment, _ string) {
	u, tenant := newUpstream(t), d.Signup(t, "forwarded")
	create := func(path, key string, more map[string]any) string {
		t.Helper()
		return d.createProxy(t, tenant, u.URL+path, key, more)
	}
	shared := create("/", upstreamKey, map[string]any{"channel": "numbers"})
	var streams []*Stream
	for range 6 {
		streams = append(streams, d.subscribeProxy(t, tenant.Key, shared, "?after=0"))
	}
	for i, s := range streams {
		for n := 0; n < 3; {
			f := mustNext(t, s)
			if f.Event == "hookcast.upstream" {
				continue
			}
			if n++; f.Event != "number" || f.Data != fmt.Sprintf(`{"n":%d}`, n) {
				t.Fatalf("listener %d got %+v, want number %d", i, f, n)
			}
		}
	}
	if n := u.opened.Load(); n != 1 {
		t.Errorf("%d upstreams for %d listeners, want 1", n, len(streams))
	}
	for _, s := range streams {
		s.Close()
	}
	await(t, "the upstreams open after the last listener left", u.open.Load, func(n int64) bool { return n == 0 })

	stream := Deployment{API: d.Stream, HTTP: d.HTTP}
	var got struct {
		Data []struct {
			Type, ID string
			Data     json.RawMessage
		}
		ClientDisconnected *bool `json:"client_disconnected"`
	}
	stream.Must(t, "POST", "/v1/proxies/"+create("/finite", upstreamKey, nil)+"/collect", tenant.Key, nil).
		Want(t, 200).JSON(t, &got)
	if len(got.Data) != 3 || got.Data[2].Type != "number" || got.Data[2].ID != "3" ||
		string(got.Data[2].Data) != `{"n":3}` || got.ClientDisconnected == nil || *got.ClientDisconnected {
		t.Errorf("the collected events are %+v", got)
	}
	const wrong = "sk-wrong-0123456789abcdef"
	a := stream.Must(t, "POST", "/v1/proxies/"+create("/", wrong, nil)+"/collect", tenant.Key, nil).Want(t, 502)
	if !strings.Contains(string(a.Body), `"status":401`) || strings.Contains(string(a.Body), wrong) {
		t.Errorf("a wrong key is answered %s, want the upstream's status", a.Body)
	}
	if d.API != d.Stream {
		a := d.Must(t, "POST", "/v1/proxies/"+shared+"/collect", tenant.Key, nil).Want(t, 404)
		if !strings.Contains(string(a.Body), "wrong_host") {
			t.Errorf("the API's host answered %s, want wrong_host", a.Body)
		}
	}
}

// presence wants a publisher to learn that the client of its channel has come, and has left.
func presence(t *testing.T, d Deployment, _ string) {
	type delivered struct {
		Subscribers  int
		Disconnected *bool `json:"client_disconnected"`
	}
	tenant := d.Signup(t, "feedback")
	publish := func() (p delivered) {
		t.Helper()
		d.Must(t, "POST", "/v1/channels/client.7/events", tenant.Key,
			map[string]any{"type": "token", "data": "x"}).Want(t, 202).JSON(t, &p)
		return p
	}
	if p := publish(); p.Disconnected == nil || *p.Disconnected || p.Subscribers != 0 {
		t.Errorf("before any client came: %+v", p)
	}
	s := d.MustSubscribe(t, d.Token(t, tenant, "page", "client.*"), "", nil, "client.7")
	await(t, "a subscriber in the answer", publish, func(p delivered) bool {
		return p.Subscribers == 1 && !*p.Disconnected
	})
	s.Close()
	await(t, "a client that left in the answer", publish, func(p delivered) bool {
		return p.Subscribers == 0 && *p.Disconnected
	})
}
