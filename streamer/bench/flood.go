//go:build linux

package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Sizes of the flood: the quiet tenant's clients, its events per second, and its events before and during the flood.
const (
	floodOthers, floodRate   = 1000, 20
	floodQuiet, floodEvents  = 10 * floodRate, 20 * floodRate
	floodSenders, floodConns = 32, 500
	floodLimits              = `{"connections":10000,"connections_per_channel":0,` +
		`"connections_per_subject":0,"connections_per_ip":0}`
)

// flood lets one tenant publish from 32 connections as fast as it gets answers, to 500 subscribers, and connect and
// disconnect 500 more again and again, while another tenant's 1,000 clients should notice little. The flooding tenant
// has the default limits, except for its number of connections.
func (b *bench) flood() error {
	return b.with("hookcast", func(s *server) error {
		flooder, err := s.another(b, "flooder", floodLimits)
		if err != nil {
			return err
		}
		zero := func(int) int { return 0 }
		calm, err := newFleet(fleetSpec{
			clients: floodOthers, channel: zero, dial: s.dial(zero), events: floodQuiet + floodEvents,
		})
		if err != nil {
			return err
		}
		defer calm.close()
		listeners, err := newFleet(fleetSpec{clients: floodConns, channel: zero, dial: flooder.dial(zero)})
		if err != nil {
			return err
		}
		defer listeners.close()
		if err := calm.connect(floodOthers); err != nil {
			return err
		}
		listeners.wanted.Store(floodConns) // as many as its limit of connections per second admits
		ps := s.publishers(1)
		defer ps.close()
		if err := calm.warm(ps, 1, 256); err != nil {
			return err
		}
		calmly, err := calm.measured(ps[0], 0, floodQuiet, floodOthers, floodRate)
		if err != nil {
			return err
		}

		var flooding flooding
		flooding.begin(flooder, listeners)
		calm.measure()
		err = calm.paced(ps[0], 0, floodQuiet, floodEvents, 256, floodRate)
		flooding.end()
		if err != nil {
			return err
		}
		all := await(&calm.delivered, floodOthers*(floodQuiet+floodEvents), 5*time.Second)
		during := calm.quantile(.99)
		b.report.add("hookcast", "others' p99 ms, quiet", float64(calmly)/1e6)
		b.report.add("hookcast", "in the flood", float64(during)/1e6)
		b.report.add("hookcast", "of the flood taken/s", float64(flooding.taken.Load())/(floodEvents/floodRate))
		b.report.add("hookcast", "refused/s", float64(flooding.refused.Load())/(floodEvents/floodRate))
		b.hold("others lost nothing", all && calm.wrong() == nil)
		b.within(fmt.Sprintf("others' p99 within %d times the quiet one", floodFactor),
			float64(during), floodFactor*float64(calmly))
		return nil
	})
}

// flooding is the work of the flooding tenant.
type flooding struct {
	stop           atomic.Bool
	taken, refused atomic.Int64 // publishes
	work           sync.WaitGroup
}

// begin publishes to listeners and connects more clients, until end.
func (f *flooding) begin(s *server, listeners *fleet) {
	for range floodSenders {
		f.work.Go(func() { f.publish(s, listeners) })
	}
	f.work.Go(func() { f.connect(s) })
}

// end stops the flood and waits for its goroutines.
func (f *flooding) end() {
	f.stop.Store(true)
	f.work.Wait()
}

func (f *flooding) publish(s *server, listeners *fleet) {
	p := &publisher{s: s}
	defer p.close()
	for !f.stop.Load() {
		switch err := p.publish(listeners, mark{number: warmUp}, 256); {
		case err == nil:
			f.taken.Add(1)
		case errors.Is(err, errRefused):
			f.refused.Add(1)
			time.Sleep(time.Millisecond) // leaves this process time to read its clocks
		default:
			return
		}
	}
}

func (f *flooding) connect(s *server) {
	zero := func(int) int { return 0 }
	for !f.stop.Load() {
		comers, err := newFleet(fleetSpec{clients: floodConns, channel: zero, dial: s.dial(zero)})
		if err != nil {
			return
		}
		comers.wanted.Store(floodConns)
		time.Sleep(time.Second)
		comers.close()
	}
}

// floodFactor bounds how much slower one tenant's flood may make another tenant.
const floodFactor = 10
