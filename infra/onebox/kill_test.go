package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/streamer/peers"
)

// Onebox is killed at random moments under a steady load and loses no acknowledged event: each is in its channel
// exactly once, the numbers have no gap, and a subscriber that reconnects with its cursor gets each exactly once and
// in order.
func TestKilledTwentyTimesLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	const kills, senders = 20, 8
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	addr, data := peers.FreeAddr(), filepath.Join(t.TempDir(), "data")
	p := start(t, addr, data)
	tenant := p.Signup(t, "kill")
	p.Must(t, "PATCH", "/v1/tenants/"+tenant.ID, p.operatorKey(t),
		map[string]any{"limits": map[string]int{"events_per_second": 0}}).Want(t, 200)
	source := p.GitHubSource(t, tenant, "orders")
	token := p.Token(t, tenant, "reader", "orders")

	deployment := p.Deployment
	ctx, stop := context.WithCancel(t.Context())
	seen := make(chan []string, 1)
	go func() { seen <- readAcrossKills(ctx, deployment, token) }()

	var mu sync.Mutex
	acknowledged := make(map[string]string) // event id by delivery id
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			postUntil(ctx, t, deployment, source, sender, func(delivery, id string) {
				mu.Lock()
				defer mu.Unlock()
				acknowledged[delivery] = id
			})
		})
	}
	for range kills {
		select {
		case <-time.After(time.Duration(50+random.IntN(250)) * time.Millisecond):
		case <-t.Context().Done():
		}
		p.kill()
		p = start(t, addr, data)
	}
	stop()
	wg.Wait()

	ids := make([]string, 0, len(acknowledged))
	for _, id := range acknowledged {
		ids = append(ids, id)
	}
	history := awaitAll(t, p.Deployment, tenant, ids)
	at := make(map[string]int64)
	for _, e := range history {
		if earlier, twice := at[e.ID]; twice {
			t.Errorf("event %s has the numbers %d and %d", e.ID, earlier, e.Seq)
		}
		at[e.ID] = e.Seq
	}
	t.Logf("%d events acknowledged, %d in the channel, %d kills", len(ids), len(history), kills)

	wantDense(t, p.Deployment, token, <-seen, len(history))
}

// wantDense reads what got lacks of the events, and wants the subscriber to have got them all in order.
func wantDense(t *testing.T, d endtoend.Deployment, token string, got []string, events int) {
	t.Helper()
	rest, err := readFrom(t.Context(), d, token, fmt.Sprint(len(got)), int64(events))
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, rest...)
	if len(got) != events {
		t.Fatalf("the subscriber got %d events, want %d", len(got), events)
	}
	for i, id := range got {
		if want := fmt.Sprint(i + 1); id != want {
			t.Fatalf("the subscriber's event %d has the id %s, want %s", i, id, want)
		}
	}
}

// postUntil posts webhooks until ctx ends, each again until it is accepted, and reports the accepted ones to
// acknowledge.
func postUntil(ctx context.Context, t *testing.T, d endtoend.Deployment, source endtoend.Source, sender int,
	acknowledge func(delivery, id string)) {
	for n := 0; ctx.Err() == nil; n++ {
		delivery := fmt.Sprintf("%d-%d", sender, n)
		body := fmt.Appendf(nil, `{"delivery":%q}`, delivery)
		// As GitHub's operators would, send the same delivery again until it is accepted.
		for ctx.Err() == nil {
			a, err := d.GitHub(ctx, source, delivery, body)
			if err == nil && (a.Status == 202 || a.Status == 200) {
				var accepted endtoend.Accepted
				if err := json.Unmarshal(a.Body, &accepted); err != nil {
					t.Errorf("%s: %v", a.Body, err)
				}
				acknowledge(delivery, accepted.ID)
				break
			}
			if err == nil && a.Status < 500 {
				t.Errorf("delivery %s is answered %d %s, want 202 or 200", delivery, a.Status, a.Body)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// readAcrossKills reads the channel from its start until ctx ends, and reconnects with the cursor whenever the stream
// breaks.
func readAcrossKills(ctx context.Context, d endtoend.Deployment, token string) (ids []string) {
	cursor := "0"
	for ctx.Err() == nil {
		s, res, err := d.Subscribe(ctx, token, cursor, nil, "orders")
		if err != nil {
			time.Sleep(5 * time.Millisecond) // the server is down, and nothing tells when it is up
			continue
		}
		for res.StatusCode == 200 {
			f, err := s.NextEvent()
			if err != nil {
				break
			}
			ids = append(ids, f.ID)
			cursor = f.ID
		}
		s.Close()
	}
	return ids
}

// readFrom reads from cursor to the event numbered last.
func readFrom(ctx context.Context, d endtoend.Deployment, token, cursor string, last int64) (ids []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if cursor == fmt.Sprint(last) {
		return nil, nil
	}
	s, _, err := d.Subscribe(ctx, token, cursor, nil, "orders")
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for {
		f, err := s.NextEvent()
		if err != nil {
			return ids, fmt.Errorf("after event %s: %w", cursor, err)
		}
		ids = append(ids, f.ID)
		if cursor = f.ID; cursor == fmt.Sprint(last) {
			return ids, nil
		}
	}
}

// awaitAll reads the channel's history until it has all ids: an acknowledged event is in the queue, and is appended
// soon.
func awaitAll(t *testing.T, d endtoend.Deployment, tenant endtoend.Tenant, ids []string) []endtoend.Event {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		history := d.History(t, tenant, "orders")
		in := make(map[string]bool)
		for _, e := range history {
			in[e.ID] = true
		}
		missing := 0
		for _, id := range ids {
			if !in[id] {
				missing++
			}
		}
		if missing == 0 {
			return history
		}
		if time.Now().After(deadline) {
			t.Fatalf("the channel lacks %d of %d acknowledged events", missing, len(ids))
		}
	}
}
