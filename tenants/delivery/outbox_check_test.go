package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// check returns up to 20 faults of a simulation that has run and should have made at least so many deliveries.
func (o *simulation) check(t *testing.T, least int) (faults []string) {
	t.Helper()
	found := func(format string, args ...any) {
		if len(faults) < 20 {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	table := rig.Patient{Table: o.table}
	box := &delivery.Outbox{Table: table, Log: eventlog.New(table), Endpoints: o.book, Tenants: &rig.NoLimits{}}
	deliveries := delivery.NewDeliveries(box)
	all, delivered, dead := 0, 0, 0
	for _, ep := range o.endpoints {
		requests := o.receivers.Of(ep.ID)
		accepted := make(map[string]time.Time) // when the endpoint first had the event
		for _, r := range requests {
			if _, before := accepted[r.Event]; r.Accepted && !before {
				accepted[r.Event] = r.Done
			}
		}
		records := make(map[string]delivery.Delivery)
		for after := ""; ; {
			page, next, err := deliveries.List(context.Background(), ep.Tenant, delivery.Filter{Endpoint: ep.ID}, after,
				100)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range page {
				records[d.Event] = d
			}
			if after = next; next == "" {
				break
			}
		}
		settled := make(map[string]time.Time) // when an event was delivered or given up
		for _, e := range o.events[ep.Tenant] {
			all++
			d, known := records[e.ID]
			at, had := accepted[e.ID]
			switch {
			case !known:
				found("%s: event %s has no delivery; accepted: %v", ep.Name, e.Data, had)
				continue
			case d.State == delivery.Delivered:
				delivered++
				if !had {
					found("%s: %s counts as delivered but was not accepted", ep.Name, e.Data)
				}
				settled[e.ID] = at
			case d.State == delivery.Dead:
				dead++
				if had && d.Reason != delivery.ReasonExhausted {
					found("%s: %s is dead (%s) but was accepted", ep.Name, e.Data, d.Reason)
				}
				settled[e.ID] = d.Updated
			default:
				found("%s: %s is %s", ep.Name, e.Data, d.State)
			}
			for _, fault := range historyFaults(ep, d) {
				found("%s: %s: %s", ep.Name, e.Data, fault)
			}
		}
		if ep.Ordered {
			for _, fault := range o.orderFaults(ep, requests, settled) {
				found("%s: %s", ep.Name, fault)
			}
		}
		lanes := ep.Concurrency
		if lanes == 0 {
			lanes = endpoint.DefaultConcurrency
		}
		if n := o.receivers.Most[ep.ID]; n > lanes {
			found("%s: got %d requests at once, want %d at most", ep.Name, n, lanes)
		}
		if ep.PerSecond > 0 {
			for i, r := range requests {
				in := 0
				for _, other := range requests[i:] {
					if other.At.Sub(r.At) < 10*time.Second {
						in++
					}
				}
				if in > 10*ep.PerSecond+2 {
					found("%s: got %d requests in ten seconds, want %d at most", ep.Name, in, 10*ep.PerSecond+2)
					break
				}
			}
		}
	}
	t.Logf("%d deliveries: %d delivered, %d dead, %d requests, %v", all, delivered, dead, len(o.receivers.Requests),
		o.end.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Round(time.Minute))
	t.Logf("%d receives of what waits, %d of what is ready; %d and %d sends", o.waiting.Count("Receive"),
		o.ready.Count("Receive"), o.waiting.Count("Send"), o.ready.Count("Send"))
	if all < least || delivered < least/2 || dead == 0 {
		found("got %d deliveries, %d delivered and %d dead, want at least %d, half of them delivered, and some dead",
			all, delivered, dead, least)
	}
	return faults
}

// historyFaults returns the faults of a delivery's history.
func historyFaults(ep endpoint.Endpoint, d delivery.Delivery) (faults []string) {
	seen := make(map[int]bool)
	for _, a := range d.History {
		seen[a.Number] = true
	}
	for n := 1; n <= d.Attempts; n++ {
		if !seen[n] {
			faults = append(faults, fmt.Sprintf("attempt %d of %d is missing in the history", n, d.Attempts))
		}
	}
	ok := slices.ContainsFunc(d.History, delivery.Attempt.Succeeded)
	schedule := ep.Schedule
	if schedule == nil {
		schedule = endpoint.DefaultSchedule()
	}
	switch {
	case (d.State == delivery.Delivered) != ok:
		faults = append(faults, fmt.Sprintf("it is %s; an attempt succeeded: %v", d.State, ok))
	case d.State == delivery.Dead && d.Reason == delivery.ReasonExhausted && d.Attempts != len(schedule)+1:
		faults = append(faults, fmt.Sprintf("dead after %d attempts, want %d", d.Attempts, len(schedule)+1))
	}
	return faults
}

// orderFaults returns the events that an ordered endpoint was first sent before the previous one of their channel was
// delivered or dead.
func (o *simulation) orderFaults(ep endpoint.Endpoint, requests []rig.Request,
	settled map[string]time.Time) (faults []string) {
	asked := make(map[string]time.Time)
	for _, r := range requests {
		if at, before := asked[r.Event]; !before || r.At.Before(at) {
			asked[r.Event] = r.At
		}
	}
	byChannel := make(map[string][]tenants.Event)
	for _, e := range o.events[ep.Tenant] {
		byChannel[e.Channel] = append(byChannel[e.Channel], e)
	}
	for _, events := range byChannel {
		slices.SortFunc(events, func(a, b tenants.Event) int { return int(a.Seq - b.Seq) })
		for i := 1; i < len(events); i++ {
			ahead, e := events[i-1], events[i]
			if at, was := asked[e.ID]; was && at.Before(settled[ahead.ID]) {
				faults = append(faults, fmt.Sprintf("%s was sent %v before the previous %s was settled", e.Data,
					settled[ahead.ID].Sub(at), ahead.Data))
			}
		}
	}
	return faults
}

// forgetful is a sender that returns a success for each 50th request without sending it.
type forgetful struct {
	tenants.Sender
	n atomic.Int64
}

func (f *forgetful) Send(ctx context.Context, o tenants.Outgoing) tenants.Answer {
	if f.n.Add(1)%50 == 0 {
		return rig.Status(200)
	}
	return f.Sender.Send(ctx, o)
}

// The checks of the simulation find planted faults.
func TestSimulationOfDeliveriesFindsPlantedFaults(t *testing.T) {
	t.Run("an event counts as delivered and was not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := newSimulation(1, 2)
			o.faulty = func(_ *simulation, s tenants.Sender) tenants.Sender { return &forgetful{Sender: s} }
			o.run(t, 30)
			const want = "counts as delivered but was not accepted"
			if !slices.ContainsFunc(o.check(t, 0), func(s string) bool { return strings.Contains(s, want) }) {
				t.Errorf("got no fault with %q, want one", want)
			}
		})
	})
	t.Run("an endpoint's events are not in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := newSimulation(1, 2)
			for _, ep := range o.endpoints { // the deliverers do not know that they are ordered
				if ep.Ordered {
					plain := ep
					plain.Ordered = false
					o.book.Set(plain)
				}
			}
			o.run(t, 30)
			const want = "before the previous"
			if !slices.ContainsFunc(o.check(t, 0), func(s string) bool { return strings.Contains(s, want) }) {
				t.Errorf("got no fault with %q, want one", want)
			}
		})
	})
	t.Run("more at once than there may be", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := newSimulation(1, 10)
			for i, ep := range o.endpoints {
				wide := ep
				wide.Concurrency = 32
				o.book.Set(wide)
				o.endpoints[i] = ep
			}
			o.run(t, 40)
			const want = "requests at once"
			if !slices.ContainsFunc(o.check(t, 0), func(s string) bool { return strings.Contains(s, want) }) {
				t.Errorf("got no fault with %q, want one", want)
			}
		})
	})
}
