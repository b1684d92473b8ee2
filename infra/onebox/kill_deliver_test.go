package main

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/streamer/peers"
)

// acceptedEvents is a server that refuses every sixth request and keeps the events that it accepts.
type acceptedEvents struct {
	mu       sync.Mutex
	requests int
	byPath   map[string][]int64 // the numbers of the accepted events in the order of their first acceptance
}

func (a *acceptedEvents) answer(r endtoend.Received) (int, string) {
	seq, err := strconv.ParseInt(r.Header.Get("Hookcast-Seq"), 10, 64)
	if err != nil {
		return 200, string(r.Body) // a challenge
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.requests++; a.requests%6 == 0 {
		return 500, "not now"
	}
	if !slices.Contains(a.byPath[r.Path], seq) {
		a.byPath[r.Path] = append(a.byPath[r.Path], seq)
	}
	return 200, ""
}

// state returns a copy of the accepted events by path, and the number of requests.
func (a *acceptedEvents) state() (byPath map[string][]int64, requests int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.byPath), a.requests
}

// Onebox is killed at random moments while it delivers to a server that refuses every sixth request. It delivers
// every acknowledged event to both endpoints, and to the ordered one in order.
func TestKilledWhileItDeliversEveryEventArrives(t *testing.T) {
	t.Parallel()
	const kills, perLife = 8, 8
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))

	taken := &acceptedEvents{byPath: make(map[string][]int64)}
	receiver := endtoend.StartReceiver(t, taken.answer)

	addr, data := peers.FreeAddr(), filepath.Join(t.TempDir(), "data")
	p := start(t, addr, data, "-allow-private")
	tenant := p.Signup(t, "kill")
	schedule := slices.Repeat([]int{1}, 20)
	p.Endpoint(t, tenant, receiver.URL+"/any", map[string]any{"schedule_seconds": schedule})
	p.Endpoint(t, tenant, receiver.URL+"/ordered", map[string]any{"schedule_seconds": schedule, "ordered": true})

	acknowledged := make(map[string]bool)
	for life := range kills + 1 {
		for n := range perLife {
			var made endtoend.Accepted
			p.Must(t, "POST", "/v1/channels/orders/events", tenant.Key, map[string]any{"type": "order",
				"data": map[string]int{"life": life, "n": n}}).Want(t, 202).JSON(t, &made)
			acknowledged[made.ID] = true
		}
		if life == kills {
			break
		}
		time.Sleep(time.Duration(random.IntN(1200)) * time.Millisecond) // long enough for some retries to be due
		p.kill()
		p = start(t, addr, data, "-allow-private")
	}

	all := len(acknowledged)
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		accepted, _ := taken.state()
		if len(accepted["/any"]) == all && len(accepted["/ordered"]) == all {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("of %d events %d were delivered to the one endpoint and %d to the ordered one",
				all, len(accepted["/any"]), len(accepted["/ordered"]))
		}
	}
	accepted, requests := taken.state()
	if !slices.IsSorted(accepted["/ordered"]) {
		t.Errorf("the ordered endpoint got %v, want ascending numbers", accepted["/ordered"])
	}
	t.Logf("%d events, %d kills, %d requests", all, kills, requests)
}
