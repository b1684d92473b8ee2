//go:build linux

package main

import (
	"time"
)

// deaf has 1,000 clients that never read among 5,000 that do, with 20 events of 300 bytes a second.
func (b *bench) deaf() error {
	const hearing, deaf, rate, seconds = 5000, 1000, 20, 90
	return b.with("hookcast", func(s *server) error {
		channel := func(int) int { return 0 }
		f, err := newFleet(crowd{clients: deaf + hearing, deaf: deaf, channel: channel, dial: s.dial(channel), events: 10*rate + seconds*rate})
		if err != nil {
			return err
		}
		defer f.close()
		ps := s.publishers(1)
		defer ps.close()
		quietFleet, err := newFleet(crowd{clients: hearing, channel: channel, dial: s.dial(channel), events: 10 * rate})
		if err != nil {
			return err
		}
		err = quietFleet.connect(hearing)
		if err == nil {
			err = quietFleet.warm(ps, 1, 300)
		}
		if err == nil {
			err = quietFleet.paced(ps[0], 0, 0, 10*rate, 300, rate)
		}
		await(&quietFleet.delivered, hearing*10*rate, 2*time.Second)
		quiet := quietFleet.quantile(.99)
		quietFleet.close()
		if err != nil {
			return err
		}

		if err := f.connect(deaf + hearing); err != nil {
			return err
		}
		before, kernel := s.pss(), socketMemory()
		var worst, worstKernel int64
		lastCut := time.Duration(0)
		began := time.Now()
		for second := range seconds {
			if err := f.paced(ps[0], 0, second*rate, rate, 300, rate); err != nil {
				return err
			}
			worst, worstKernel = max(worst, s.pss()-before), max(worstKernel, socketMemory()-kernel)
			if lastCut == 0 && f.closed.Load() >= deaf {
				lastCut = time.Since(began)
			}
		}
		await(&f.delivered, hearing*seconds*rate, 3*time.Second)
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
		b.hold("the 5,000 lost nothing", f.delivered.Load() >= hearing*seconds*rate && f.wrong() == nil)
		b.hold("their p99 at most doubled", f.quantile(.99) <= 2*quiet)
		b.hold("the deaf are cut, and the reason is counted", f.closed.Load() == deaf && m[`hookcast_connections_ended_total{cause="stalled"}`]+m[`hookcast_connections_ended_total{cause="backlog"}`] >= deaf)
		return nil
	})
}
