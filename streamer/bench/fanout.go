//go:build linux

package main

import (
	"fmt"
	"time"
)

const (
	fanoutClients = 5000
	fanoutSingle  = 150 // events, one at a time
	fanoutBursts  = 10
	burst         = 32
	nap           = 500 * time.Microsecond
)

// fanout sends one channel's events to 5,000 subscribers: each after all subscribers have the previous one, and then
// in bursts of 32.
func (b *bench) fanout() error {
	names := b.among("hookcast", "hub", "bare", "nchan", "pushpin", "net/http", "fiber")
	for round := range b.rounds {
		for i := range names {
			name := names[(i+round)%len(names)]
			err := b.with(name, func(s *server) error { return b.fanoutOnce(name, s) })
			if err != nil {
				return err
			}
		}
	}
	r := &b.report
	const single, joined, late = "CPU µs per delivery", "in bursts", "p99 ms in bursts"
	b.within("one write per event costs the hub at most 1.15 of the bare loop", r.median("hub", single),
		1.15*r.median("bare", single))
	b.within("and the whole of hookcast", r.median("hookcast", single), 1.15*r.median("bare", single))
	b.within("less than nchan", r.median("hookcast", single), r.median("nchan", single))
	b.within("in bursts at most half of one by one", r.median("hookcast", joined), r.median("hookcast", single)/2)
	b.within("p99 in bursts below nchan's", r.median("hookcast", late), r.median("nchan", late))
	return nil
}

func (b *bench) fanoutOnce(name string, s *server) error {
	channel := func(int) int { return 0 }
	f, err := newFleet(fleetSpec{clients: fanoutClients, channel: channel, dial: s.dial(channel),
		events: fanoutSingle + fanoutBursts*burst, nap: nap})
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.connect(fanoutClients); err != nil {
		return err
	}
	// The events of a burst come over separate connections: the server decides their order.
	ps := s.publishers(burst)
	defer ps.close()
	if err := f.warm(ps, 1, 256); err != nil {
		return err
	}
	for _, p := range ps {
		f.warmed.Store(0)
		if err := p.publish(f, mark{number: warmUp}, 256); err != nil {
			return err
		}
		await(&f.warmed, fanoutClients, time.Second)
	}
	lost := int64(0)
	used := s.cpu()
	for i := range fanoutSingle {
		if err := ps[0].publish(f, mark{number: i}, 256); err != nil {
			return err
		}
		if want := int64(i+1)*fanoutClients - lost; !await(&f.delivered, want, 2*time.Second) {
			lost += want - f.delivered.Load()
		}
	}
	b.report.add(name, "CPU µs per delivery", float64(s.cpu()-used)/1e3/float64(f.delivered.Load()))
	f.measure()
	had := f.delivered.Load()
	used = s.cpu()
	for i := range fanoutBursts {
		err := ps.each(func(j int, p *publisher) error {
			return p.publish(f, mark{number: fanoutSingle + i*burst + j}, 256)
		})
		if err != nil {
			return err
		}
		if want := int64(fanoutSingle+(i+1)*burst)*fanoutClients - lost; !await(&f.delivered, want, 2*time.Second) {
			lost += want - f.delivered.Load()
		}
	}
	b.report.add(name, "in bursts", float64(s.cpu()-used)/1e3/float64(f.delivered.Load()-had))
	b.report.add(name, "p99 ms in bursts", float64(f.quantile(.99))/1e6)
	b.report.add(name, "lost %", 100*float64(lost)/float64((fanoutSingle+fanoutBursts*burst)*fanoutClients))
	if name == "hookcast" && (lost > 0 || f.doubled.Load() > 0) {
		return fmt.Errorf("%d events were lost, %d repeated", lost, f.doubled.Load())
	}
	return nil
}
