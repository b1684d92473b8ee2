package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/streamer/peers"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

var (
	stormSeed  = flag.Uint64("seed", 1, "`seed` of the storm's faults")
	stormSize  = flag.Int("webhooks", 1000, "`number` of webhooks that are sent during the storm")
	stormTimes = flag.Int("rounds", 1, "`number` of rounds of faults, of a minute each")
)

const (
	stormTenants  = 20
	stormChannels = 5                // channels of each tenant
	loadTime      = 30 * time.Second // time in a round during which webhooks are sent

	// patience bounds the wait of a busy machine. Lateness is judged by the evidence, not by this bound.
	patience = 4 * time.Minute
)

// storm is a deployment under faults.
type storm struct {
	*weather
	running
	t       *testing.T
	l       *local
	patient *http.Client // for streams: it gives up a node that does not answer
	late    sync.WaitGroup

	downMu sync.Mutex
	down   chan struct{}

	found      sync.Mutex
	acks       []acked
	violations []string
	longest    wait
	appended   map[string]time.Time // guarded by weather.mu
}

// wait is how long a sender waited for an acknowledgement, and the answers that it got before.
type wait struct {
	took     time.Duration
	delivery string
	heard    []string
}

func (s *storm) waited(took time.Duration, delivery string, heard []string) {
	s.found.Lock()
	defer s.found.Unlock()
	if took > s.longest.took {
		s.longest = wait{took, delivery, heard}
	}
}

func (s *storm) acknowledged(a acked) {
	s.found.Lock()
	defer s.found.Unlock()
	s.acks = append(s.acks, a)
}

// violation records a violation.
func (s *storm) violation(format string, args ...any) {
	s.found.Lock()
	defer s.found.Unlock()
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
}

// Whatever fails in the order that the seed determines, each acknowledged event reaches every subscriber once, in
// order, and within a minute.
//
//	HOOKCAST_TESTS=all go test ./infra/awslocal -run Storm -v -seed 7 -webhooks 5000 -rounds 3
func TestNothingIsLostInAStorm(t *testing.T) {
	depth.NeedsAll(t)
	s := &storm{weather: newWeather(*stormSeed), t: t, down: make(chan struct{}), appended: make(map[string]time.Time)}
	transport := func() *http.Transport { return &http.Transport{MaxIdleConnsPerHost: 256} }
	patient := transport()
	patient.ResponseHeaderTimeout = 5 * time.Second
	s.patient = &http.Client{Transport: patient}
	var streams []string
	for range stormNodes {
		streams = append(streams, peers.FreeAddr())
	}
	s.l = inside(t, config{streams: streams, concurrency: 8, through: s.through, invoking: s.invoking})
	s.running = running{streams: streams, data: s.l.c.data,
		Deployment: endtoend.Deployment{API: "http://" + s.l.c.api, HTTP: &http.Client{Transport: transport()}}}
	faults := schedule(*stormSeed, *stormTimes)
	t.Cleanup(func() {
		if t.Failed() {
			for _, f := range faults {
				t.Log(f)
			}
			t.Logf("to repeat: -seed %d -webhooks %d -rounds %d", *stormSeed, *stormSize, *stormTimes)
		}
	})
	s.run(faults)
}

func (s *storm) run(faults []strike) {
	t, chaos := s.t, rand.New(rand.NewPCG(*stormSeed, 0x5e4d))
	listening, quiet := context.WithCancel(t.Context())
	var here, sending, striking sync.WaitGroup
	defer here.Wait()
	defer quiet()
	var subs []*subscriber
	join := func(sub *subscriber, after time.Duration) {
		subs = append(subs, sub)
		here.Go(func() {
			sleep(listening, after)
			sub.run(listening)
		})
	}
	begin := time.Now()
	owners, senders, lates := s.populate(chaos, join)
	for _, sub := range subs {
		select {
		case <-sub.begun:
		case <-time.After(patience):
			t.Fatalf("%s could not subscribe: %s", sub.name, s.warnings())
		}
	}
	t.Logf("20 tenants, 100 channels, %d senders and %d subscribers are ready after %v", len(senders), len(subs),
		time.Since(begin).Round(time.Millisecond))

	load := loadTime + time.Duration(*stormTimes-1)*roundTime
	for _, sub := range lates {
		join(sub, time.Duration(chaos.Int64N(int64(load))))
	}
	for _, f := range faults {
		striking.Go(func() { s.strike(listening, f) })
	}
	for i, p := range senders {
		n := *stormSize / len(senders)
		if i < *stormSize%len(senders) {
			n++
		}
		sending.Go(func() { p.run(listening, n, load/time.Duration(max(n, 1))) })
	}
	sending.Wait()
	sent := time.Now()
	t.Logf("%d webhooks were acknowledged after %v", len(s.acks), time.Since(begin).Round(time.Millisecond))
	striking.Wait()
	s.late.Wait()
	s.await(subs)
	t.Logf("all events were received %v after the last acknowledgement", time.Since(sent).Round(time.Millisecond))
	sleep(t.Context(), 2*time.Second) // for events that should not arrive any more
	s.judge(owners, subs, begin)
}

// await waits until every subscriber has as many events as were acknowledged, or patience has run out.
func (s *storm) await(subs []*subscriber) {
	due := make(map[string]int)
	for _, a := range s.acks {
		due[a.channel()]++
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); sleep(s.t.Context(), 50*time.Millisecond) {
		missing := 0
		for _, sub := range subs {
			if !sub.has(due) {
				missing++
			}
		}
		if missing == 0 {
			return
		}
	}
}
