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

// Killed at random moments while it delivers to a server that refuses every sixth request, onebox brings every event that it acknowledged to both
// endpoints, and to the ordered one in order.
func TestKilledWhileItDeliversEveryEventArrives(t *testing.T) {
	t.Parallel()
	const kills, perLife = 8, 8
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))

	var mu sync.Mutex
	requests := 0
	taken := map[string][]int64{} // by path, the numbers of the events in the order in which they were first taken
	receiver := endtoend.StartReceiver(t, func(r endtoend.Received) (int, string) {
		seq, err := strconv.ParseInt(r.Header.Get("Hookcast-Seq"), 10, 64)
		if err != nil {
			return 200, string(r.Body) // a challenge
		}
		mu.Lock()
		defer mu.Unlock()
		if requests++; requests%6 == 0 {
			return 500, "not now"
		}
		if !slices.Contains(taken[r.Path], seq) {
			taken[r.Path] = append(taken[r.Path], seq)
		}
		return 200, ""
	})

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
			p.Must(t, "POST", "/v1/channels/orders/events", tenant.Key, map[string]any{"type": "order", "data": map[string]int{"life": life, "n": n}}).Want(t, 202).JSON(t, &made)
			acknowledged[made.ID] = true
		}
		if life == kills {
			break
		}
		time.Sleep(time.Duration(random.IntN(1200)) * time.Millisecond) // some of what is to be tried again is due, some is not
		p.kill()
		p = start(t, addr, data, "-allow-private")
	}

	all := len(acknowledged)
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		mu.Lock()
		there := maps.Clone(taken)
		mu.Unlock()
		if len(there["/any"]) == all && len(there["/ordered"]) == all {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("of %d events %d came, and %d to the ordered endpoint", all, len(there["/any"]), len(there["/ordered"]))
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.IsSorted(taken["/ordered"]) {
		t.Errorf("the ordered endpoint was sent %v", taken["/ordered"])
	}
	t.Logf("%d events, %d kills, %d requests", all, kills, requests)
}
