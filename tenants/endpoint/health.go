package endpoint

import (
	"context"
	"errors"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Health is the circuit breaker of an endpoint and the record of its failures. An endpoint whose attempts succeed has
// none.
type Health struct {
	Since    time.Time // the first of the consecutive failures
	Last     time.Time // a recent failure, to the hour
	Failures int       // consecutive failures, counted up to breakAfter
	Trips    int       // how often in a row the circuit opened: each time it stays open for twice as long
	Open     time.Time // no attempt before then; zero: the circuit is closed
	Probe    time.Time // after Open one attempt tests the endpoint, and no other starts before then
	Busy     time.Time // the endpoint asked for no attempts before then
	Full     time.Time // its lanes are full: new messages wait outside of them until then
	Warned   int       // number of Warnings that the tenant got
}

// RowHealth is the kind of the rows that hold a Health.
const RowHealth tenants.Kind = "list/health" // {tenant}, endpoint id

// Times of the circuit breaker and of the lanes.
const (
	OpenFirst    = 30 * time.Second   // how long the circuit stays open at first
	DisableAfter = 5 * 24 * time.Hour // of failures
	FullAfter    = 2 * time.Minute    // a lane is full if a message has waited in it for longer
	FullFor      = time.Minute        // how long a full lane takes no new messages

	breakAfter    = 8 // consecutive failures open the circuit
	openMost      = 15 * time.Minute
	longDown      = 6 // trips
	spreadMost    = 2 * time.Hour
	probeTime     = 90 * time.Second   // longer than an attempt takes
	sameSpell     = 2 * 24 * time.Hour // after that long without an attempt, earlier failures do not count
	healthLife    = 10 * 24 * time.Hour
	lastPrecision = time.Hour
)

// Warnings returns after how much time of failures a tenant is warned.
func Warnings() []time.Duration {
	return []time.Duration{24 * time.Hour, 3 * 24 * time.Hour, DisableAfter - 12*time.Hour}
}

func healthKey(t tenants.TenantID, endpoint string) tenants.Key {
	return tenants.Key{Tenant: t, Kind: RowHealth, Sort: endpoint}
}

// Healths reads and changes the health of endpoints.
type Healths struct{ Table tenants.Table }

// Find returns the health of an endpoint, and the condition under which its row is still as it was read.
func (s Healths) Find(ctx context.Context, t tenants.TenantID, endpoint string) (Health, tenants.Condition, error) {
	return record.Find[Health](ctx, s.Table, healthKey(t, endpoint))
}

// HeldUntil returns the time before which no attempt may start; zero: one may start now, after ClaimProbe if Open is
// set.
func (h Health) HeldUntil(now time.Time) time.Time {
	var until time.Time
	for _, t := range []time.Time{h.Open, h.Busy, h.Probe} {
		if t.After(now) && t.After(until) {
			until = t
		}
	}
	return until
}

// FullUntil is HeldUntil for a message that is not in a lane yet.
func (h Health) FullUntil(now time.Time) time.Time {
	until := h.HeldUntil(now)
	if h.Full.After(now) && h.Full.After(until) {
		return h.Full
	}
	return until
}

// Spread returns the time over which held messages should come back. After many trips it is up to two hours, because
// every return of a message costs and only one attempt can follow.
func (h Health) Spread(now time.Time) time.Duration {
	if h.Trips > longDown {
		return min(time.Duration(h.Trips-longDown)*openMost, spreadMost)
	}
	return max(h.FullUntil(now).Sub(now), time.Second)
}

// Failed returns h after one more failed attempt, which was answered with status (0: no answer) and Retry-After.
func (h Health) Failed(now time.Time, status int, retryAfter time.Duration) Health {
	if h.Failures == 0 || now.Sub(h.Last) > sameSpell {
		h.Since, h.Failures, h.Warned = now, 0, 0
	}
	if now.Sub(h.Last) > lastPrecision || h.Failures == 0 {
		h.Last = now
	}
	h.Failures = min(h.Failures+1, breakAfter)
	if status == 429 { // the endpoint works and asks for a pause
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

// Change applies f to the endpoint's health with optimistic retries. f returns false when there is nothing to write.
// If too many others change it at once, Change gives up without an error: the next attempt counts again.
func (s Healths) Change(ctx context.Context, t tenants.TenantID, endpoint string, f func(Health) (Health, bool)) error {
	k := healthKey(t, endpoint)
	err := record.Update(ctx, s.Table, k, func(h Health, was tenants.Condition) ([]tenants.Op, error) {
		to, changed := f(h)
		switch {
		case !changed || to == (Health{}) && was.IsAbsent():
			return nil, nil
		case to == (Health{}):
			return []tenants.Op{tenants.Delete(k, was)}, nil
		}
		return []tenants.Op{tenants.Put(k, record.Encode(to), time.Now().Add(healthLife), was)}, nil
	})
	if errors.Is(err, record.ErrContended) {
		return nil
	}
	return err
}

// ClaimProbe reports whether the caller may make an attempt now. While the circuit is open only one caller at a time
// may, to find out whether the endpoint is back.
func (s Healths) ClaimProbe(ctx context.Context, t tenants.TenantID, endpoint string, now time.Time,
) (mine bool, err error) {
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
