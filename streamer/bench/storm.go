//go:build linux

package main

import (
	"fmt"
	"time"
)

// storm cuts 15,000 clients at once, publishes 50 events to each of their 200 channels, and has all of them come back with the last id
// that they saw, while another tenant's 1,000 clients go on being served.
func (b *bench) storm() error {
	const (
		clients, channels, behind = 15_000, 200, 50
		others, rate              = 1000, 20
		quiet                     = 10 * rate
	)
	return b.with("hookcast", func(s *server) error {
		operator, err := operatorOf(s)
		if err != nil {
			return err
		}
		t, err := newTenant("http://"+s.addr, operator, noLimits)
		if err != nil {
			return err
		}
		other := &server{name: "other", addr: s.addr, publishAddr: s.publishAddr}
		other.use(t)

		ch := func(i int) int { return i % channels }
		f, err := newFleet(crowd{clients: clients, channel: ch, dial: s.dial(ch), events: behind})
		if err != nil {
			return err
		}
		defer f.close()
		zero := func(int) int { return 0 }
		const most = 120 * rate
		calm, err := newFleet(crowd{clients: others, channel: zero, dial: other.dial(zero), events: quiet + most})
		if err != nil {
			return err
		}
		defer calm.close()
		if err := calm.connect(others); err != nil {
			return err
		}
		if err := f.connect(clients); err != nil {
			return err
		}
		ps, otherPs := s.publishers(16), other.publishers(1)
		defer ps.close()
		defer otherPs.close()
		if err := f.warm(ps, channels, 256); err != nil {
			return err
		}
		if err := calm.warm(otherPs, 1, 256); err != nil {
			return err
		}
		f.hangUp()
		err = ps.each(func(i int, p *publisher) error {
			for n := range behind {
				for c := i; c < channels; c += len(ps) {
					if err := p.publish(f, mark{channel: c, number: n}, 256); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := s.appended(channels, behind+3); err != nil {
			return err
		}

		calm.measure()
		if err := calm.paced(otherPs[0], 0, 0, quiet, 256, rate); err != nil {
			return err
		}
		await(&calm.delivered, others*quiet, 2*time.Second)
		calmly := calm.quantile(.99)

		before, err := s.metrics()
		if err != nil {
			return err
		}
		calm.measure()
		began, caughtUp := time.Now(), make(chan error, 1)
		go func() {
			if err := f.connect(clients); err != nil {
				caughtUp <- err
				return
			}
			if !await(&f.delivered, clients*behind, 10*time.Second) {
				caughtUp <- fmt.Errorf("%d of %d events arrived", f.delivered.Load(), clients*behind)
				return
			}
			caughtUp <- f.wrong()
		}()
		sent := quiet
		for over := false; !over && sent < quiet+most; sent += rate {
			if err := calm.paced(otherPs[0], 0, sent, rate, 256, rate); err != nil {
				return err
			}
			select {
			case err := <-caughtUp:
				if err != nil {
					return err
				}
				over = true
			default:
			}
		}
		await(&calm.delivered, int64(others*sent), 5*time.Second)
		after, err := s.metrics()
		if err != nil {
			return err
		}
		reads := (after["hookcast_replay_reads_total"] - before["hookcast_replay_reads_total"]) / channels
		inStorm := calm.quantile(.99)
		b.report.add("hookcast", "seconds until all had caught up", time.Since(began).Seconds())
		b.report.add("hookcast", "log reads per channel", reads)
		b.report.add("hookcast", "others' p99 ms, quiet", float64(calmly)/1e6)
		b.report.add("hookcast", "in the storm", float64(inStorm)/1e6)
		b.hold("each of the 15,000 had each of its 50 events once and in order", f.delivered.Load() == clients*behind && f.wrong() == nil)
		b.hold("at most 1.1 reads of the log per channel", reads <= 1.1)
		b.hold("others' p99 within 3 times the quiet one", inStorm <= 3*calmly)
		b.hold("others lost nothing", calm.delivered.Load() == int64(others*sent) && calm.wrong() == nil)
		return nil
	})
}

// appended waits until each of so many channels has so many events: what is acknowledged may still wait in the queue.
func (s *server) appended(channels, events int) error {
	for ch := range channels {
		for limit := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			var is struct {
				Last int `json:"last_seq"`
			}
			if err := call("GET", "http://"+s.publishAddr+"/v1/channels/"+channelName(ch), s.key, "", &is); err != nil {
				return err
			}
			if is.Last >= events {
				break
			}
			if time.Now().After(limit) {
				return fmt.Errorf("channel %d has %d events of %d after a minute", ch, is.Last, events)
			}
		}
	}
	return nil
}
