package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
)

const (
	hotSenders   = 100
	hotEach      = 20
	hotPatience  = 5 * time.Second // the longest allowed wait for an answer
	hotPublisher = 10              // every tenth sender publishes, the others post signed webhooks
)

// A channel that 100 senders use at once gets all of their 2,000 events, numbered without a gap, and each sender's in
// order. A subscriber on another node than the API's gets the same.
func TestAHotChannelKeepsEverySendersOrder(t *testing.T) {
	p := start(t)
	tenant := p.Signup(t, "hot")
	p.setLimits(t, tenant.ID, map[string]int{"events_per_second": 100_000})
	source := p.GitHubSource(t, tenant, "hot")
	token := p.Token(t, tenant, "page", "hot")
	stream := p.node(1).MustSubscribe(t, token, "", nil, "hot")
	crowd := p.Deployment
	crowd.HTTP = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: hotSenders}}
	defer crowd.HTTP.CloseIdleConnections()

	// Environments that already run answer at once; another test measures how long a new one takes.
	var warm sync.WaitGroup
	for s := range 16 {
		warm.Go(func() {
			path := []string{"/v1/limits", "/in/none"}[s%2]
			if _, err := crowd.Do(t.Context(), "GET", path, tenant.Key, nil); err != nil {
				t.Error(err)
			}
		})
	}
	warm.Wait()

	began := time.Now()
	longest := hotSendAll(t, crowd, tenant, source)
	sent := time.Since(began)
	if longest > hotPatience {
		t.Errorf("a sender waited %v for an answer, want at most %v", longest, hotPatience)
	}
	if t.Failed() {
		return
	}
	late := time.AfterFunc(2*time.Minute, stream.Close)
	defer late.Stop()
	next := make(map[int]int)
	for seq := 1; seq <= hotSenders*hotEach; seq++ {
		f, err := stream.NextEvent()
		if err != nil || f.ID != itoa(seq) {
			t.Fatalf("got %+v, %v, want event %d", f, err, seq)
		}
		inOrder(t, seq, []byte(f.Data), next)
	}
	t.Logf("sent in %v, all received after %v; the longest wait for an answer was %v", sent, time.Since(began), longest)
	next = make(map[int]int)
	history := p.History(t, tenant, "hot")
	for i, e := range history {
		inOrder(t, i+1, e.Data, next)
	}
	if len(history) != hotSenders*hotEach {
		t.Errorf("the history has %d events, want %d", len(history), hotSenders*hotEach)
	}
}

// hotSendAll runs all senders at once, and returns the longest wait for an answer.
func hotSendAll(t *testing.T, d endtoend.Deployment, tenant endtoend.Tenant,
	source endtoend.Source) (longest time.Duration) {
	var senders sync.WaitGroup
	var mu sync.Mutex
	for s := range hotSenders {
		senders.Go(func() {
			for n := range hotEach {
				at := time.Now()
				a, err := hotSend(t, d, tenant, source, s, n)
				took := time.Since(at)
				mu.Lock()
				longest = max(longest, took)
				mu.Unlock()
				if err != nil || a.Status/100 != 2 {
					t.Errorf("event %[2]d of sender %[1]d is answered %[3]d %[4]s (%[5]v), want 2xx", s, n, a.Status,
						a.Body, err)
					return
				}
			}
		})
	}
	senders.Wait()
	return longest
}

// hotSend publishes or posts the n-th event of a sender.
func hotSend(t *testing.T, d endtoend.Deployment, tenant endtoend.Tenant, source endtoend.Source,
	sender, n int) (endtoend.Answer, error) {
	data := map[string]int{"sender": sender, "n": n}
	if sender%hotPublisher == 0 {
		return d.Do(t.Context(), "POST", "/v1/channels/hot/events", tenant.Key,
			map[string]any{"type": "order.created", "data": data})
	}
	body, err := json.Marshal(data)
	if err != nil {
		return endtoend.Answer{}, err
	}
	return d.GitHub(t.Context(), source, fmt.Sprintf("%d-%d", sender, n), body)
}

// inOrder wants the event to be the next one of its sender.
func inOrder(t *testing.T, seq int, data []byte, next map[int]int) {
	t.Helper()
	var e struct{ Sender, N int }
	if err := json.Unmarshal(data, &e); err != nil || e.N != next[e.Sender] {
		t.Fatalf("event %d is %s (%v), want event %d of its sender", seq, data, err, next[e.Sender])
	}
	next[e.Sender]++
}
