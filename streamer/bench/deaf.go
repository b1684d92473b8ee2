//go:build linux

package main

import (
	"fmt"
	"time"
)

const deafHearing, deafClients, deafRate, deafSeconds = 5000, 1000, 20, 90

// deaf connects 1,000 clients that never read and 5,000 that do, and publishes 20 events of 300 bytes a second.
func (b *bench) deaf() error {
	return b.with("hookcast", func(s *server) error {
		channel := func(int) int { return 0 }
		f, err := newFleet(fleetSpec{
			clients: deafClients + deafHearing, deaf: deafClients, channel: channel, dial: s.dial(channel),
			events: 10*deafRate + deafSeconds*deafRate,
		})
		if err != nil {
			return err
		}
		defer f.close()
		ps := s.publishers(1)
		defer ps.close()
		quiet, err := s.withoutDeaf(ps)
		if err != nil {
			return err
		}
		if err := f.connect(deafClients + deafHearing); err != nil {
			return err
		}
		before, kernel := s.pss(), socketMemory()
		var worst, worstKernel int64
		lastCut := time.Duration(0)
		began := time.Now()
		for second := range deafSeconds {
			if err := f.paced(ps[0], 0, second*deafRate, deafRate, 300, deafRate); err != nil {
				return err
			}
			worst, worstKernel = max(worst, s.pss()-before), max(worstKernel, socketMemory()-kernel)
			if lastCut == 0 && f.closed.Load() >= deafClients {
				lastCut = time.Since(began)
			}
		}
		await(&f.delivered, deafHearing*deafSeconds*deafRate, 3*time.Second)
		m, err := s.metrics()
		if err != nil {
			return err
		}
		b.report.add("hookcast", "p99 ms, all reading", float64(quiet)/1e6)
		b.report.add("hookcast", "with 1,000 deaf", float64(f.quantile(.99))/1e6)
		b.report.add("hookcast", "deaf cut", float64(f.closed.Load()))
		b.report.add("hookcast", "the last after s", lastCut.Seconds())
		b.report.add("hookcast", "MiB more", float64(worst)/(1<<20))
		b.report.add("hookcast", "and in sockets", float64(worstKernel)/(1<<20))
		const ended = `hookcast_connections_ended_total{cause="%s"}`
		cut := m[fmt.Sprintf(ended, "stalled")] + m[fmt.Sprintf(ended, "backlog")]
		b.hold("the 5,000 lost nothing", f.delivered.Load() >= deafHearing*deafSeconds*deafRate && f.wrong() == nil)
		b.hold("their p99 at most doubled", f.quantile(.99) <= 2*quiet)
		b.hold("the deaf are cut, and the reason is counted", f.closed.Load() == deafClients && cut >= deafClients)
		return nil
	})
}

// withoutDeaf returns the p99 of a fleet whose clients all read.
func (s *server) withoutDeaf(ps publishers) (time.Duration, error) {
	channel := func(int) int { return 0 }
	f, err := newFleet(fleetSpec{clients: deafHearing, channel: channel, dial: s.dial(channel), events: 10 * deafRate})
	if err != nil {
		return 0, err
	}
	defer f.close()
	if err := f.connect(deafHearing); err != nil {
		return 0, err
	}
	if err := f.warm(ps, 1, 300); err != nil {
		return 0, err
	}
	if err := f.paced(ps[0], 0, 0, 10*deafRate, 300, deafRate); err != nil {
		return 0, err
	}
	await(&f.delivered, deafHearing*10*deafRate, 2*time.Second)
	return f.quantile(.99), nil
}
