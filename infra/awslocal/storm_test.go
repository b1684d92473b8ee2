package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/tenants"
)

var (
	stormSeed  = flag.Uint64("seed", 1, "`seed` of the storm's faults")
	stormSize  = flag.Int("webhooks", 1000, "how many webhooks are sent through the storm")
	stormTimes = flag.Int("rounds", 1, "how many rounds of faults, a minute each, the webhooks are spread over")
)

const (
	stormTenants  = 20
	stormChannels = 5                // of each
	loadTime      = 30 * time.Second // of a round

	// patience bounds what a machine that does much else may take. What comes late is judged by the evidence, not by giving up.
	patience = 4 * time.Minute
)

// storm is a deployment under faults.
type storm struct {
	*weather
	running
	t       *testing.T
	l       *local
	patient *http.Client // for streams: a node that does not answer is given up
	late    sync.WaitGroup

	downMu sync.Mutex
	down   chan struct{}

	found    sync.Mutex
	acks     []acked
	told     []string
	longest  wait
	appended map[string]time.Time // guarded by weather.mu
}

// wait is how long a sender waited for an acknowledgement, and what it heard before.
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

// tell notes what nobody should have been told.
func (s *storm) tell(format string, args ...any) {
	s.found.Lock()
	defer s.found.Unlock()
	s.told = append(s.told, fmt.Sprintf(format, args...))
}

// Whatever fails, in the order that a seed says: what was acknowledged reaches every subscriber, once and in order, within a minute.
//
//	go test ./infra/awslocal -run Storm -v -seed 7 -webhooks 5000 -rounds 3
func TestNothingIsLostInAStorm(t *testing.T) {
	need(t)
	s := &storm{weather: newWeather(*stormSeed), t: t, down: make(chan struct{}), appended: make(map[string]time.Time)}
	transport := func() *http.Transport { return &http.Transport{MaxIdleConnsPerHost: 256} }
	patient := transport()
	patient.ResponseHeaderTimeout = 5 * time.Second
	s.patient = &http.Client{Transport: patient}
	var streams []string
	for range stormNodes {
		streams = append(streams, freeAddr())
	}
	s.l = inside(t, config{streams: streams, concurrency: 8, through: s.through, invoking: s.invoking})
	s.running = running{streams: streams, data: s.l.c.data, Deployment: endtoend.Deployment{API: "http://" + s.l.c.api, HTTP: &http.Client{Transport: transport()}}}
	faults := schedule(*stormSeed, *stormTimes)
	t.Cleanup(func() {
		if t.Failed() {
			for _, f := range faults {
				t.Log(f)
			}
			t.Logf("again: -seed %d -webhooks %d -rounds %d", *stormSeed, *stormSize, *stormTimes)
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
			t.Fatalf("%s cannot subscribe: %s", sub.name, s.warnings())
		}
	}
	t.Logf("20 tenants, 100 channels, %d senders, %d subscribers after %v", len(senders), len(subs), time.Since(begin).Round(time.Millisecond))

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
	t.Logf("%d webhooks are acknowledged after %v", len(s.acks), time.Since(begin).Round(time.Millisecond))
	striking.Wait()
	s.late.Wait()
	s.await(subs)
	t.Logf("all is there %v after the last acknowledgement", time.Since(sent).Round(time.Millisecond))
	sleep(t.Context(), 2*time.Second) // for what should not come any more
	s.judge(owners, subs, begin)
}

// populate makes tenants, channels, senders and subscribers; those in lates are to come during the storm.
func (s *storm) populate(chaos *rand.Rand, join func(*subscriber, time.Duration)) (owners map[string]endtoend.Tenant, senders []*sender, lates []*subscriber) {
	owners = make(map[string]endtoend.Tenant)
	for i := range stormTenants {
		name, seed := fmt.Sprintf("t%02d", i), chaos.Uint64()
		owner := s.Signup(s.t, name)
		owners[name] = owner
		var channels []string
		for c := range stormChannels {
			channels = append(channels, fmt.Sprintf("c%d", c))
		}
		token := s.Token(s.t, owner, "page", channels...)
		join(s.subscriber(name+" all channels", name, token, i%2 == 0, seed, channels...), 0)
		for c, channel := range channels {
			source := s.GitHubSource(s.t, owner, channel)
			for p := range 1 + c%2 {
				who := said{Tenant: name, Channel: channel, Sender: fmt.Sprintf("s%d", p)}
				senders = append(senders, &sender{s: s, source: source, who: who, chaos: rand.New(rand.NewPCG(seed, uint64(10*c+p)))})
			}
			subscriber := func(kind string, roams bool, n uint64) *subscriber {
				return s.subscriber(name+"/"+channel+" "+kind, name, token, roams, seed+10*uint64(c)+n, channel)
			}
			join(subscriber("stays", false, 1), 0)
			join(subscriber("comes and goes", true, 2), 0)
			if c == 0 {
				lates = append(lates, subscriber("comes late", true, 3))
			}
		}
	}
	return owners, senders, lates
}

// await waits until every subscriber has as many events as were acknowledged, or has had time enough.
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

// judge holds what happened against what is promised.
func (s *storm) judge(owners map[string]endtoend.Tenant, subs []*subscriber, begin time.Time) {
	t := s.t
	r := evidence{logs: make(map[string][]logged), within: time.Minute}
	for name, owner := range owners {
		total := int64(0)
		for c := range stormChannels {
			channel := fmt.Sprintf("%s/c%d", name, c)
			for _, e := range s.History(t, owner, fmt.Sprintf("c%d", c)) {
				l := logged{id: e.ID, seq: e.Seq}
				if err := json.Unmarshal(e.Data, &l.said); err != nil {
					t.Errorf("%s has %s", channel, e.Data)
				}
				r.logs[channel] = append(r.logs[channel], l)
				total++
			}
		}
		usage, counted := tenants.NewMonthlyUsage(s.rows()), int64(0)
		if !s.until(t.Context(), func() bool {
			counted, _ = usage.Month(t.Context(), tenants.TenantID(owner.ID), begin)
			return counted >= total
		}) || counted != total {
			t.Errorf("%s has %d events, and is billed for %d", name, total, counted)
		}
	}
	for _, sub := range subs {
		sub.mu.Lock()
		for _, l := range sub.lines {
			r.lines = append(r.lines, line{l.subscriber, l.channel, l.receipts[:len(l.receipts):len(l.receipts)]})
		}
		sub.mu.Unlock()
	}
	s.found.Lock()
	r.acks, r.told = s.acks, s.told
	s.found.Unlock()
	s.mu.Lock()
	r.appended = s.appended
	s.mu.Unlock()
	wrong, slowest, behind := r.wrong()
	for i, w := range wrong {
		if i == 30 {
			t.Errorf("and %d more", len(wrong)-i)
			break
		}
		t.Error(w)
	}
	table, never := s.table()
	receipts := 0
	for _, l := range r.lines {
		receipts += len(l.receipts)
	}
	t.Logf("%d events, %d receipts on %d lines; seed %d:\n%sthe slowest: %v\nthe slowest since its acknowledgement: %v\nthe longest wait for one: %v, %s: %q", len(r.acks), receipts, len(r.lines), *stormSeed, table, slowest, behind,
		s.longest.took.Round(time.Millisecond), s.longest.delivery, s.longest.heard)
	if len(never) > 0 {
		t.Errorf("these faults never happened: %s", strings.Join(never, "; "))
	}
}
