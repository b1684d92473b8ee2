package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
)

func TestSuite(t *testing.T) {
	p := start(t)
	endtoend.Suite(t, p.Deployment, p.operatorKey(t))
}

// A page that loses one node continues on the other, where it was.
func TestAStreamGoesOnOnTheOtherNode(t *testing.T) {
	p := start(t)
	one, two := p.node(0), p.node(1)
	tenant := p.Signup(t, "both")
	token := p.Token(t, tenant, "page", "orders")
	source := p.GitHubSource(t, tenant, "orders")
	first, second := one.MustSubscribe(t, token, "", nil, "orders"), two.MustSubscribe(t, token, "", nil, "orders")
	post := func(n int) {
		t.Helper()
		a, err := p.GitHub(t.Context(), source, "delivery-"+itoa(n), []byte(`{"n":`+itoa(n)+`}`))
		if err != nil {
			t.Fatal(err)
		}
		a.Want(t, 202)
	}
	for n := 1; n <= 5; n++ {
		post(n)
	}
	for n := 1; n <= 5; n++ {
		wantNumber(t, first, n)
		wantNumber(t, second, n)
	}
	first.Close()
	for n := 6; n <= 10; n++ {
		post(n)
	}
	moved := two.MustSubscribe(t, token, first.Cursor, nil, "orders")
	for n := 6; n <= 10; n++ {
		wantNumber(t, moved, n)
		wantNumber(t, second, n)
	}
}

// A publisher learns the number of subscribers on all nodes, and that a client has left once it has no stream on any
// node.
func TestPublishingTellsOfTheSubscribersOfBothNodes(t *testing.T) {
	p := start(t)
	tenant := p.Signup(t, "audience")
	token := p.Token(t, tenant, "page", "orders", "client.7")
	type published struct {
		Subscribers  int
		Disconnected *bool `json:"client_disconnected"`
	}
	await := func(channel, what string, holds func(published) bool) {
		t.Helper()
		var last published
		for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
			last = published{}
			p.Must(t, "POST", "/v1/channels/"+channel+"/events", tenant.Key,
				map[string]any{"type": "note", "data": 1}).Want(t, 202).JSON(t, &last)
			if holds(last) {
				return
			}
			if time.Since(begun) > time.Minute {
				t.Fatalf("%s: the answer is %+v", what, last)
			}
		}
	}
	subscribers := func(n int) func(published) bool {
		return func(p published) bool { return p.Subscribers == n && p.Disconnected == nil }
	}
	await("orders", "without subscribers", subscribers(0))
	var streams []*endtoend.Stream
	for _, node := range []int{0, 0, 1} {
		streams = append(streams, p.node(node).MustSubscribe(t, token, "", nil, "orders"))
	}
	await("orders", "with three on two nodes", subscribers(3))
	streams[0].Close()
	await("orders", "with one on each node", subscribers(2))
	streams[1].Close()
	streams[2].Close()
	await("orders", "after the last one left", subscribers(0))

	client := func(n int, left bool) func(published) bool {
		return func(p published) bool { return p.Subscribers == n && p.Disconnected != nil && *p.Disconnected == left }
	}
	first := p.node(0).MustSubscribe(t, token, "", nil, "client.7")
	await("client.7", "after it came", client(1, false))
	moved := p.node(1).MustSubscribe(t, token, "", nil, "client.7")
	first.Close()
	await("client.7", "after it moved", client(1, false))
	moved.Close()
	await("client.7", "after it left", client(0, true))
}

// Bytes that a text type cannot carry through the gateway are refused, not verified in another form than the signed
// one.
func TestBodiesComeWholeOrNotAtAll(t *testing.T) {
	p := start(t)
	tenant := p.Signup(t, "bytes")
	source := p.GitHubSource(t, tenant, "orders")
	post := func(contentType string, body []byte) endtoend.Answer {
		t.Helper()
		mac := hmac.New(sha256.New, []byte(source.Secret))
		mac.Write(body)
		path := strings.TrimPrefix(source.URL, p.API)
		a, err := p.Do(t.Context(), "POST", path, "", body, "Content-Type", contentType, "X-GitHub-Event", "push",
			"X-GitHub-Delivery", rand.Text(),
			"X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, tt := range []struct {
		contentType string
		body        []byte
		status      int
		says        string
	}{
		{"application/json", []byte(`{"n":"\u00e4"}`), 202, ""},
		{"application/json", []byte(`{"n":"ä` + "\ufffd" + `"}`), 202, ""},
		{"application/json", []byte("{\"n\":\"\xff\"}"), 400, "body_not_utf8"},
		{"text/plain", []byte{0, 0xff}, 400, "body_not_utf8"},
		{"application/octet-stream", []byte{0, 0xff}, 202, ""},
		{"application/octet-stream", bytes.Repeat([]byte{0xff}, 300<<10), 413, "event_too_large"},
		// in base64 it is above Lambda's limit
		{"application/octet-stream", bytes.Repeat([]byte{0xff}, 5<<20), 413, ""},
		{"application/json", bytes.Repeat([]byte("x"), 11<<20), 413, ""},
	} {
		a := post(tt.contentType, tt.body)
		if a.Status != tt.status || !strings.Contains(string(a.Body), tt.says) {
			t.Errorf("%s of %d bytes is answered %d %s, want %d %s", tt.contentType, len(tt.body), a.Status,
				a.Body, tt.status, tt.says)
		}
	}
}
