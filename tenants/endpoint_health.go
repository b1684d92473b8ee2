package tenants

import (
	"context"
	"time"
)

// health is what attempts have shown of an endpoint: a row that is there only while something is wrong. It is the circuit breaker, which
// keeps attempts from an endpoint that answers none of them, and the memory of how long that has been so.
type health struct {
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

const rowHealth Kind = "list/health" // {tenant}, endpoint id

const (
	breakAfter    = 8 // failures in a row open the circuit
	openFirst     = 30 * time.Second
	openMost      = 15 * time.Minute
	longDown      = 6 // trips
	spreadMost    = 2 * time.Hour
	probeTime     = 90 * time.Second // longer than an attempt takes
	disableAfter  = 5 * 24 * time.Hour
	sameSpell     = 2 * 24 * time.Hour // without an attempt for so long, failures before say nothing about now
	healthLife    = 10 * 24 * time.Hour
	fullAfter     = 2 * time.Minute // that a message waited in its lane
	fullFor       = time.Minute
	healthTries   = 8
	lastPrecision = time.Hour
)

// warnings are how long before a tenant is told that an endpoint fails.
func warnings() []time.Duration {
	return []time.Duration{24 * time.Hour, 3 * 24 * time.Hour, disableAfter - 12*time.Hour}
}

func healthKey(t TenantID, endpoint string) Key { return Key{t, rowHealth, endpoint} }

// healths reads and changes the health of endpoints.
type healths struct{ Table Table }

func (s healths) of(ctx context.Context, t TenantID, endpoint string) (health, Condition, error) {
	row, err := s.Table.Get(ctx, healthKey(t, endpoint))
	if notFound(err) {
		return health{}, Absent(), nil
	}
	if err != nil {
		return health{}, Condition{}, err
	}
	h, err := decodeRecord[health](row)
	return h, At(row.Version), err
}

// heldUntil is the time before which nothing is to be sent; zero: it may be sent now, or found out whether.
func (h health) heldUntil(now time.Time) time.Time {
	var until time.Time
	for _, t := range []time.Time{h.Open, h.Busy, h.Probe} {
		if t.After(now) && t.After(until) {
			until = t
		}
	}
	return until
}

// fullUntil is heldUntil for what has not come into a lane yet.
func (h health) fullUntil(now time.Time) time.Time {
	until := h.heldUntil(now)
	if h.Full.After(now) && h.Full.After(until) {
		return h.Full
	}
	return until
}

// spread is over how much time what is held now comes back. Behind a circuit that has opened many times it is up to two hours: each time that a
// message comes back costs, and one attempt is all that comes of it.
func (h health) spread(now time.Time) time.Duration {
	if h.Trips > longDown {
		return min(time.Duration(h.Trips-longDown)*openMost, spreadMost)
	}
	return max(h.fullUntil(now).Sub(now), time.Second)
}

// failed is h behind one more failed attempt.
func (h health) failed(now time.Time, status int, retryAfter time.Duration) health {
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
		h.Open, h.Probe = now.Add(min(openFirst<<min(h.Trips, 10), openMost)), time.Time{}
		h.Trips++
	}
	return h
}

// change has f change the endpoint's health until it holds: nothing to write where f says so. Contention beyond reason is let go: what it is
// about is counted again at the next attempt.
func (s healths) change(ctx context.Context, t TenantID, endpoint string, f func(health) (health, bool)) error {
	for range healthTries {
		h, was, err := s.of(ctx, t, endpoint)
		if err != nil {
			return err
		}
		to, changed := f(h)
		if !changed {
			return nil
		}
		op := Put(healthKey(t, endpoint), encodeRecord(to), time.Now().Add(healthLife), was)
		if to == (health{}) {
			if was.IsAbsent() {
				return nil
			}
			op = Delete(healthKey(t, endpoint), was)
		}
		if err := s.Table.Write(ctx, op); !wasRefused(err) {
			return err
		}
	}
	return nil
}

// claimProbe asks for the one attempt that finds out whether an endpoint is back.
func (s healths) claimProbe(ctx context.Context, t TenantID, endpoint string, now time.Time) (mine bool, err error) {
	err = s.change(ctx, t, endpoint, func(h health) (health, bool) {
		mine = h.Open.IsZero() || !h.heldUntil(now).After(now)
		if !mine || h.Open.IsZero() {
			return h, false
		}
		h.Probe = now.Add(probeTime)
		return h, true
	})
	return mine, err
}
