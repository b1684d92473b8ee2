package endpoint

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Health is what attempts have shown of an endpoint: a row that is there only while something is wrong. It is the circuit breaker, which
// keeps attempts from an endpoint that answers none of them, and the memory of how long that has been so.
type Health struct {
	Since    time.Time // the first failure of those in a row
	Last     time.Time // the latest that was noted, to the hour
	Failures int       // in a row; counted up to breakAfter
	Trips    int       // how often in a row the circuit was opened: each time it stays open for twice as long
	Open     time.Time // no attempt before then; zero: closed
	Probe    time.Time // behind Open one attempt finds out, and no other until then
	Busy     time.Time // the endpoint asked to be left alone until then
	Full     time.Time // its lanes are longer than it can take: what is new waits elsewhere until then
	Warned   int       // of warnings, how many the tenant had
}

const RowHealth tenants.Kind = "list/health" // {tenant}, endpoint id

const (
	breakAfter    = 8 // failures in a row open the circuit
	OpenFirst     = 30 * time.Second
	openMost      = 15 * time.Minute
	longDown      = 6 // trips
	spreadMost    = 2 * time.Hour
	probeTime     = 90 * time.Second // longer than an attempt takes
	DisableAfter  = 5 * 24 * time.Hour
	sameSpell     = 2 * 24 * time.Hour // without an attempt for so long, failures before say nothing about now
	healthLife    = 10 * 24 * time.Hour
	FullAfter     = 2 * time.Minute // that a message waited in its lane
	FullFor       = time.Minute
	healthTries   = 8
	lastPrecision = time.Hour
)

// Warnings are how long before a tenant is told that an endpoint fails.
func Warnings() []time.Duration {
	return []time.Duration{24 * time.Hour, 3 * 24 * time.Hour, DisableAfter - 12*time.Hour}
}

func healthKey(t tenants.TenantID, endpoint string) tenants.Key {
	return tenants.Key{Tenant: t, Kind: RowHealth, Sort: endpoint}
}

// Healths reads and changes the health of endpoints.
type Healths struct{ Table tenants.Table }

func (s Healths) Find(ctx context.Context, t tenants.TenantID, endpoint string) (Health, tenants.Condition, error) {
	row, err := s.Table.Get(ctx, healthKey(t, endpoint))
	if tenants.IsNotFound(err) {
		return Health{}, tenants.Absent(), nil
	}
	if err != nil {
		return Health{}, tenants.Condition{}, err
	}
	h, err := record.Decode[Health](row)
	return h, tenants.At(row.Version), err
}

// HeldUntil is the time before which nothing is to be sent; zero: it may be sent now, or found out whether.
func (h Health) HeldUntil(now time.Time) time.Time {
	var until time.Time
	for _, t := range []time.Time{h.Open, h.Busy, h.Probe} {
		if t.After(now) && t.After(until) {
			until = t
		}
	}
	return until
}

// FullUntil is heldUntil for what has not come into a lane yet.
func (h Health) FullUntil(now time.Time) time.Time {
	until := h.HeldUntil(now)
	if h.Full.After(now) && h.Full.After(until) {
		return h.Full
	}
	return until
}

// Spread is over how much time what is held now comes back. Behind a circuit that has opened many times it is up to two hours: each time that a
// message comes back costs, and one attempt is all that comes of it.
func (h Health) Spread(now time.Time) time.Duration {
	if h.Trips > longDown {
		return min(time.Duration(h.Trips-longDown)*openMost, spreadMost)
	}
	return max(h.FullUntil(now).Sub(now), time.Second)
}

// Failed is h behind one more failed attempt.
func (h Health) Failed(now time.Time, status int, retryAfter time.Duration) Health {
	if h.Failures == 0 || now.Sub(h.Last) > sameSpell {
		h.Since, h.Failures, h.Warned = now, 0, 0
	}
	if now.Sub(h.Last) > lastPrecision || h.Failures == 0 {
		h.Last = now
	}
	h.Failures = min(h.Failures+1, breakAfter)
	if status == 429 { // it is there, and has said what it wants
		h.Busy = now.Add(min(max(retryAfter, busyHold), busyHoldMost))
		h.Open, h.Probe = time.Time{}, time.Time{}
		return h
	}
	if h.Failures >= breakAfter && !h.Open.After(now) {
		h.Open, h.Probe = now.Add(min(OpenFirst<<min(h.Trips, 10), openMost)), time.Time{}
		h.Trips++
	}
	return h
}

// Change has f change the endpoint's health until it holds: nothing to write where f says so. Contention beyond reason is let go: what it is
// about is counted again at the next attempt.
func (s Healths) Change(ctx context.Context, t tenants.TenantID, endpoint string, f func(Health) (Health, bool)) error {
	for range healthTries {
		h, was, err := s.Find(ctx, t, endpoint)
		if err != nil {
			return err
		}
		to, changed := f(h)
		if !changed {
			return nil
		}
		op := tenants.Put(healthKey(t, endpoint), record.Encode(to), time.Now().Add(healthLife), was)
		if to == (Health{}) {
			if was.IsAbsent() {
				return nil
			}
			op = tenants.Delete(healthKey(t, endpoint), was)
		}
		if err := s.Table.Write(ctx, op); !tenants.IsRefused(err) {
			return err
		}
	}
	return nil
}

// ClaimProbe asks for the one attempt that finds out whether an endpoint is back.
func (s Healths) ClaimProbe(ctx context.Context, t tenants.TenantID, endpoint string, now time.Time) (mine bool, err error) {
	err = s.Change(ctx, t, endpoint, func(h Health) (Health, bool) {
		mine = h.Open.IsZero() || !h.HeldUntil(now).After(now)
		if !mine || h.Open.IsZero() {
			return h, false
		}
		h.Probe = now.Add(probeTime)
		return h, true
	})
	return mine, err
}
