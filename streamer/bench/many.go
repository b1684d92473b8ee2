//go:build linux

package main

import (
	"fmt"
	"time"
)

const (
	manyChannels   = 2000
	manyEach       = 5
	manyEvents     = 10 // of each channel
	manyPublishers = 8
	manyWindow     = 64 // events in progress
)

// many sends events to 2,000 channels round robin: it measures the cost of an event with few subscribers.
func (b *bench) many() error {
	names := b.among("hookcast", "hub", "bare", "nchan", "net/http", "fiber")
	for round := range b.rounds {
		for i := range names {
			name := names[(i+round)%len(names)]
			if err := b.with(name, func(s *server) error { return b.manyOnce(name, s) }); err != nil {
				return err
			}
		}
	}
	const cost = "CPU µs per event"
	b.within("the hub costs at most 1.3 of the bare loop", b.report.median("hub", cost),
		1.3*b.report.median("bare", cost))
	return nil
}

func (b *bench) manyOnce(name string, s *server) error {
	channel := func(i int) int { return i % manyChannels }
	f, err := newFleet(fleetSpec{clients: manyChannels * manyEach, channel: channel, dial: s.dial(channel),
		events: manyEvents, nap: nap})
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.connect(manyChannels * manyEach); err != nil {
		return err
	}
	ps := s.publishers(manyPublishers)
	defer ps.close()
	if err := f.warm(ps, manyChannels, 256); err != nil {
		return err
	}
	used, began := s.cpu(), time.Now()
	tickets := make(chan struct{}, manyWindow)
	for range manyWindow {
		tickets <- struct{}{}
	}
	published, stop := make(chan struct{}, manyChannels*manyEvents), make(chan struct{})
	go func() { // returns a ticket for each event that all subscribers have
		defer close(stop)
		for n := int64(1); n <= manyChannels*manyEvents; n++ {
			if !await(&f.delivered, n*manyEach, 5*time.Second) {
				close(published)
				return
			}
			select {
			case tickets <- struct{}{}:
			default:
			}
		}
	}()
	err = ps.each(func(i int, p *publisher) error {
		for n := range manyEvents {
			for ch := i; ch < manyChannels; ch += manyPublishers {
				select {
				case <-tickets:
				case <-published:
					return fmt.Errorf("%d of %d events arrived", f.delivered.Load(),
						manyChannels*manyEvents*manyEach)
				}
				if err := p.publish(f, mark{channel: ch, number: n}, 256); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	<-stop
	b.report.add(name, "CPU µs per event", float64(s.cpu()-used)/1e3/(manyChannels*manyEvents))
	b.report.add(name, "events/s", manyChannels*manyEvents/time.Since(began).Seconds())
	return f.wrong()
}
