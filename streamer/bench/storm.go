//go:build linux

package main

import (
	"fmt"
	"time"
)

// Sizes of the storm: the clients that are cut, their channels, the events published meanwhile to each channel, the
// clients of the other tenant, and its events per second and before the storm.
const (
	stormClients, stormChannels, stormEvents = 15_000, 200, 50
	stormOthers, stormRate                   = 1000, 20
	stormQuiet                               = 10 * stormRate
	stormMost                                = 120 * stormRate // events of the other tenant during the storm
)

// storm disconnects 15,000 clients at once, publishes 50 events to each of their 200 channels, and reconnects all of
// them with the last id that they saw, while another tenant's 1,000 clients are served.
func (b *bench) storm() error {
	return b.with("hookcast", func(s *server) error {
		other, err := s.another(b, "other", noLimits)
		if err != nil {
			return err
		}
		channel := func(i int) int { return i % stormChannels }
		f, err := newFleet(fleetSpec{clients: stormClients, channel: channel, dial: s.dial(channel),
			events: stormEvents})
		if err != nil {
			return err
		}
		defer f.close()
		zero := func(int) int { return 0 }
		calm, err := newFleet(fleetSpec{
			clients: stormOthers, channel: zero, dial: other.dial(zero), events: stormQuiet + stormMost,
		})
		if err != nil {
			return err
		}
		defer calm.close()
		if err := calm.connect(stormOthers); err != nil {
			return err
		}
		if err := f.connect(stormClients); err != nil {
			return err
		}
		ps, otherPs := s.publishers(16), other.publishers(1)
		defer ps.close()
		defer otherPs.close()
		if err := f.warm(ps, stormChannels, 256); err != nil {
			return err
		}
		if err := calm.warm(otherPs, 1, 256); err != nil {
			return err
		}
		f.hangUp()
		if err := s.publishWhileAway(f, ps); err != nil {
			return err
		}
		calmly, err := calm.measured(otherPs[0], 0, stormQuiet, stormOthers, stormRate)
		if err != nil {
			return err
		}
		return b.returning(s, f, calm, otherPs[0], calmly)
	})
}

// publishWhileAway publishes the events of the storm and waits until all of them are in the log.
func (s *server) publishWhileAway(f *fleet, ps publishers) error {
	err := ps.each(func(i int, p *publisher) error {
		for n := range stormEvents {
			for c := i; c < stormChannels; c += len(ps) {
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
	return s.appended(stormChannels, stormEvents+3)
}

// returning reconnects the clients of f while p publishes to calm, whose p99 was calmly before.
func (b *bench) returning(s *server, f, calm *fleet, p *publisher, calmly time.Duration) error {
	before, err := s.metrics()
	if err != nil {
		return err
	}
	calm.measure()
	began, caughtUp := time.Now(), make(chan error, 1)
	go func() { caughtUp <- f.catchUp(stormClients, stormClients*stormEvents) }()
	sent := stormQuiet
	for over := false; !over && sent < stormQuiet+stormMost; sent += stormRate {
		if err := calm.paced(p, 0, sent, stormRate, 256, stormRate); err != nil {
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
	await(&calm.delivered, int64(stormOthers*sent), 5*time.Second)
	after, err := s.metrics()
	if err != nil {
		return err
	}
	reads := (after["hookcast_replay_reads_total"] - before["hookcast_replay_reads_total"]) / stormChannels
	inStorm := calm.quantile(.99)
	b.report.add("hookcast", "seconds until all had caught up", time.Since(began).Seconds())
	b.report.add("hookcast", "log reads per channel", reads)
	b.report.add("hookcast", "others' p99 ms, quiet", float64(calmly)/1e6)
	b.report.add("hookcast", "in the storm", float64(inStorm)/1e6)
	b.hold("each of the 15,000 had each of its 50 events once and in order",
		f.delivered.Load() == stormClients*stormEvents && f.wrong() == nil)
	b.hold("at most 1.1 reads of the log per channel", reads <= 1.1)
	b.hold("others' p99 within 3 times the quiet one", inStorm <= 3*calmly)
	b.hold("others lost nothing", calm.delivered.Load() == int64(stormOthers*sent) && calm.wrong() == nil)
	return nil
}

// catchUp connects the first n clients and waits until they have that many events.
func (f *fleet) catchUp(n int, events int64) error {
	if err := f.connect(n); err != nil {
		return err
	}
	if !await(&f.delivered, events, 10*time.Second) {
		return fmt.Errorf("%d of %d events arrived", f.delivered.Load(), events)
	}
	return f.wrong()
}

// measured publishes events from the number first on and returns their p99 over the clients given.
func (f *fleet) measured(p *publisher, first, events, clients, rate int) (time.Duration, error) {
	f.measure()
	if err := f.paced(p, 0, first, events, 256, float64(rate)); err != nil {
		return 0, err
	}
	await(&f.delivered, int64(clients*events), 2*time.Second)
	return f.quantile(.99), nil
}

// another makes a second tenant on the same server, with limits as JSON.
func (s *server) another(b *bench, name, limits string) (*server, error) {
	operator, err := operatorOf(s)
	if err != nil {
		return nil, err
	}
	t, err := newTenant("http://"+s.addr, operator, limits)
	if err != nil {
		return nil, err
	}
	other := &server{name: name, addr: s.addr, publishAddr: s.publishAddr}
	other.use(t)
	return other, nil
}

// appended waits until each of the channels has that many events: an acknowledged event may still be in the queue.
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
