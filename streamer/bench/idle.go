//go:build linux

package main

import (
	"fmt"
	"time"
)

// idle opens 18,000 connections, waits until the server's memory is stable, sends 10 events to all, and measures the
// memory again.
func (b *bench) idle() error {
	const hold = 40 * time.Second // two heartbeats
	n := min(18_000, b.descriptors-1000)
	for _, name := range b.among("hookcast", "bare", "nchan", "pushpin", "net/http", "fiber") {
		err := b.with(name, func(s *server) error {
			channel := func(int) int { return 0 }
			f, err := newFleet(fleetSpec{clients: n, channel: channel, dial: s.dial(channel)})
			if err != nil {
				return err
			}
			defer f.close()
			before := s.settled()
			if err := f.connect(n); err != nil {
				return err
			}
			// until the follow-up work of a connect is over: memory is released, rights are rechecked
			time.Sleep(30 * time.Second)
			b.report.add(name, "bytes each", float64(s.settled()-before)/float64(n))
			if s.metrics != nil {
				m, err := s.metrics()
				if err != nil {
					return err
				}
				b.report.add(name, "goroutines", m["hookcast_goroutines"])
			}
			used := s.cpu()
			time.Sleep(hold)
			b.report.add(name, "CPU µs each and second", float64(s.cpu()-used)/1e3/float64(n)/hold.Seconds())
			ps := s.publishers(1)
			defer ps.close()
			for range 10 {
				f.warmed.Store(0)
				if err := ps[0].publish(f, mark{number: warmUp}, 256); err != nil {
					return err
				}
				if !await(&f.warmed, int64(n), 5*time.Second) {
					return fmt.Errorf("an event reached %d of %d clients", f.warmed.Load(), n)
				}
			}
			b.report.add(name, "after 10 events", float64(s.settled()-before)/float64(n))
			return nil
		})
		if err != nil {
			return err
		}
	}
	r := &b.report
	const each, touched, cpu = "bytes each", "after 10 events", "CPU µs each and second"
	b.within("at most 1,536 bytes each", r.median("hookcast", each), 1536)
	b.within("at most 2,048 bytes each after 10 events to all", r.median("hookcast", touched), 2048)
	b.within("no goroutine each", r.median("hookcast", "goroutines"), 200)
	b.within("idle CPU at most 1.5 of the bare loop's", r.median("hookcast", cpu), 1.5*r.median("bare", cpu))
	return nil
}

// settled waits until the server's memory is stable to half a percent, and returns it.
func (s *server) settled() int64 {
	last, still := s.pss(), 0
	for range 20 {
		time.Sleep(time.Second)
		now := s.pss()
		if d := now - last; d <= last/200 && -d <= last/200 {
			still++
		} else {
			still = 0
		}
		if last = now; still == 3 {
			break
		}
	}
	return last
}
