package streamer

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
)

func TestTwoHundredClientsOfASharedProxyAreOneUpstreamThatClosesWithTheLast(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		p := newProxyWorld(t, sink)
		id, _ := p.tenant(t)
		limits := map[string]*int64{"connects_per_second": new(int64(0)), "connections_per_ip": new(int64(0)),
			"events_per_second": new(int64(0))}
		if _, err := p.accounts.UpdateAsOperator(t.Context(), id, account.OperatorPatch{Limits: limits}); err != nil {
			t.Fatal(err)
		}
		key := p.keyOf(t, id)
		proxy := p.create(t, key, "/numbers?to=50&ids=1", map[string]any{"share": true})
		const clients = 200
		streams := make([]*stream, clients)
		var all sync.WaitGroup
		for i := range streams {
			all.Go(func() { streams[i] = p.hear(t, "/v1/proxies/"+proxy+"/stream?after=0", key) })
		}
		all.Wait()
		if t.Failed() {
			return // a client without a stream
		}
		for i := range streams {
			all.Go(func() {
				for n := 1; n <= 50; n++ {
					if _, data, _ := p.nextOf(t, streams[i]); data != fmt.Sprint(n) {
						t.Errorf("client %d got %q, want %d", i, data, n)
						return
					}
				}
			})
		}
		all.Wait()
		if n := p.other.opened.Load(); n != 1 {
			t.Errorf("%d upstreams for %d clients", n, clients)
		}
		for _, s := range streams[1:] {
			s.Close()
		}
		eventually(t, "one is left", func() bool { return p.hub.Stats().Connections == 1 })
		if p.other.closed.Load() != 0 || p.relay.Stats().Upstreams != 1 {
			t.Error("the upstream is closed while somebody listens")
		}
		streams[0].Close()
		eventually(t, "the upstream is closed", func() bool {
			return p.other.closed.Load() == 1 && p.relay.Stats().Upstreams == 0
		})
	})
}

func TestASharedUpstreamThatIsKilledGoesOnWithoutLossWhereItHasIDs(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	id := p.create(t, key, "/numbers?to=20&ids=1", map[string]any{"channel": "prices"})
	s := p.hear(t, "/v1/proxies/"+id+"/stream", key)
	p.numbers(t, s, 1, 20)
	p.other.cutAll()
	var last any
	eventually(t, "it has connected again", func() (again bool) {
		last, again = p.other.lastIDs.Load(int64(2))
		return again
	})
	if last != "20" {
		t.Errorf("it went on from %q", last)
	}
	if n := p.tailOf(t, key, "prices"); n != 21 { // the event that says it is open, and each event once
		t.Errorf("the channel has %d events", n)
	}
}

func TestASharedUpstreamThatIsKilledLeavesAGapWhereItHasNoIDs(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	id := p.create(t, key, "/numbers?to=3", map[string]any{"channel": "prices"})
	s := p.hear(t, "/v1/proxies/"+id+"/stream", key)
	p.numbers(t, s, 1, 3)
	p.other.cutAll()
	if name, data, _ := p.nextOf(t, s); name != "hookcast.gap" || data != `{"channel":"prices","upstream":true}` {
		t.Fatalf("got %s %s", name, data)
	}
}

// The channel can send again what the other server cannot.
func TestAClientOfASharedUpstreamThatComesBackHasMissedNothing(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	id := p.create(t, key, "/numbers?to=10", map[string]any{"share": true})
	stays := p.hear(t, "/v1/proxies/"+id+"/stream", key)
	s := p.hear(t, "/v1/proxies/"+id+"/stream?after=0", key)
	at := p.numbers(t, s, 1, 4)
	s.Close()
	s = p.hear(t, "/v1/proxies/"+id+"/stream", key, "Last-Event-ID: "+at)
	p.numbers(t, s, 5, 10)
	if n := p.other.opened.Load(); n != 1 {
		t.Errorf("%d upstreams", n)
	}
	stays.Close()
}

func TestASharedUpstreamThatEndsEndsAllItsStreamsAndBeginsAnewForWhoComes(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	id := p.create(t, key, "/finite?n=3", map[string]any{"channel": "ticks", "reconnect": false})
	for round := range 2 {
		s := p.hear(t, "/v1/proxies/"+id+"/stream", key)
		for n := 1; n <= 3; n++ {
			if _, data, _ := p.nextOf(t, s); data != fmt.Sprintf(`{"n":%d}`, n) {
				t.Fatalf("round %d: got %q, want %d", round, data, n)
			}
		}
		if name, _, at := p.nextOf(t, s); name != "hookcast.ended" || at != hub.Stop {
			t.Fatalf("round %d: got %s, id %q", round, name, at)
		}
		s.Close()
		eventually(t, "nothing is open", func() bool { return p.relay.Stats().Upstreams == 0 })
	}
}

func TestACrowdAtAnUpstreamThatRefusesCostsOneAttempt(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	id := p.create(t, key, "/status?code=403", map[string]any{"share": true})
	began := time.Now()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if status, b := p.call(t, "POST", "/v1/proxies/"+id+"/stream", key, nil); status != 502 ||
				!strings.Contains(string(b), "upstream_status") {
				t.Errorf("%d %s", status, b)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if n := p.other.opened.Load(); n > 1+int64(took/time.Second) { // a refusal is kept for a second
		t.Errorf("%d attempts in %v", n, took)
	}
}

func TestACollectionWhoseListenerLeavesIsClosedAndSaysSo(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	id := p.create(t, key, "/numbers?to=5&ids=1", map[string]any{"channel": "answers"})
	listener := p.hear(t, "/v1/stream?channel=answers", key)
	listener.next(t)
	answer := make(chan string, 1)
	go func() {
		_, b := p.call(t, "POST", "/v1/proxies/"+id+"/collect", key, nil)
		answer <- string(b)
	}()
	p.numbers(t, listener, 1, 5)
	listener.Close()
	select {
	case b := <-answer:
		if !strings.Contains(b, `"client_disconnected":true`) ||
			!strings.Contains(b, `"ended":"client_disconnected"`) || strings.Count(b, `"type"`) != 5 {
			t.Errorf("answered %s", b)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on for nobody")
	}
	eventually(t, "the upstream is closed", func() bool { return p.relay.Stats().Upstreams == 0 })
}

// keyOf makes a key of a tenant with other limits.
func (p *proxyWorld) keyOf(t testing.TB, tenant tenants.TenantID) string {
	t.Helper()
	_, secret, err := p.keys.Create(t.Context(), tenant, account.KeySpec{Name: "k", Role: tenants.RoleOwner})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// tailOf returns the number of events of a channel.
func (p *proxyWorld) tailOf(t testing.TB, key, channel string) int64 {
	t.Helper()
	who, err := p.keys.Authenticate(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	n, err := p.events.Tail(t.Context(), who.Tenant, channel)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
