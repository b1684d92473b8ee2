//go:build linux

package main

import "time"

// latency publishes 20 events a second to 1,000 subscribers.
func (b *bench) latency() error {
	const clients, events, rate = 1000, 200, 20
	names := b.among("hookcast", "bare", "nchan", "pushpin", "net/http", "fiber")
	for round := range b.rounds {
		for i := range names {
			name := names[(i+round)%len(names)]
			err := b.with(name, func(s *server) error {
				channel := func(int) int { return 0 }
				f, err := newFleet(fleetSpec{clients: clients, channel: channel, dial: s.dial(channel), events: events})
				if err != nil {
					return err
				}
				defer f.close()
				if err := f.connect(clients); err != nil {
					return err
				}
				ps := s.publishers(1)
				defer ps.close()
				if err := f.warm(ps, 1, 256); err != nil {
					return err
				}
				if err := f.paced(ps[0], 0, 0, events, 256, rate); err != nil {
					return err
				}
				await(&f.delivered, clients*events, 3*time.Second)
				b.report.add(name, "p50 ms", float64(f.quantile(.5))/1e6)
				b.report.add(name, "p99 ms", float64(f.quantile(.99))/1e6)
				b.report.add(name, "lost %", 100-100*float64(f.delivered.Load())/(clients*events))
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	b.within("p99 at most nchan's and 5 ms, though every event is on disk first", b.report.median("hookcast", "p99 ms"),
		b.report.median("nchan", "p99 ms")+5)
	return nil
}
