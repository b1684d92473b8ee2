package api_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/egress"
)

// receivers are the servers of endpoints. They record requests and answer 200 by default.
type receivers struct {
	mu     sync.Mutex
	sent   []tenants.Outgoing
	answer func(tenants.Outgoing) tenants.Answer
}

func (r *receivers) Send(_ context.Context, o tenants.Outgoing) tenants.Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, o)
	if r.answer != nil {
		return r.answer(o)
	}
	return tenants.Answer{Status: 200, Connected: true, Took: 12 * time.Millisecond}
}

func (r *receivers) set(answer func(tenants.Outgoing) tenants.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receivers) all() []tenants.Outgoing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent
}

// challengeIn returns the challenge in a request.
func challengeIn(o tenants.Outgoing) string {
	var said struct{ Challenge string }
	_ = json.Unmarshal(o.Body, &said)
	return said.Challenge
}

// echoing answers the ownership challenge.
func echoing(o tenants.Outgoing) tenants.Answer {
	return tenants.Answer{Status: 200, Connected: true, Body: []byte(challengeIn(o))}
}

// oneName is a resolver that returns the same public address for all names.
type oneName struct{}

func (oneName) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
}

// nowhere checks URLs as production does, without DNS.
func nowhere(t testing.TB) tenants.Destinations {
	e := egress.New(egress.Options{Resolver: oneName{}, OwnHosts: []string{"hooks.hookcast.example"}})
	t.Cleanup(e.Close)
	return e
}
