//go:build linux

package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// flood has one tenant publish from 32 connections as fast as it is answered, to 500 subscribers, and connect and hang up 500 more over
// and over, while another tenant's 1,000 clients are to notice little. The flooding tenant has the limits that a tenant has who
// has asked for none, but for its number of connections.
func (b *bench) flood() error {
	const others, rate, quiet, flooded = 1000, 20, 10 * 20, 20 * 20
	return b.with("hookcast", func(s *server) error {
		operator, err := operatorOf(s)
		if err != nil {
			return err
		}
		rude := &server{name: "rude", addr: s.addr, publishAddr: s.publishAddr}
		t, err := newTenant("http://"+s.addr, operator, `{"connections":10000,"connections_per_channel":0,"connections_per_subject":0,"connections_per_ip":0}`)
		if err != nil {
			return err
		}
		rude.use(t)
		zero := func(int) int { return 0 }
		calm, err := newFleet(crowd{clients: others, channel: zero, dial: s.dial(zero), events: quiet + flooded})
		if err != nil {
			return err
		}
		defer calm.close()
		listeners, err := newFleet(crowd{clients: 500, channel: zero, dial: rude.dial(zero)})
		if err != nil {
			return err
		}
		defer listeners.close()
		if err := calm.connect(others); err != nil {
			return err
		}
		listeners.wanted.Store(500) // as many as its connects per second let in
		ps := s.publishers(1)
		defer ps.close()
		if err := calm.warm(ps, 1, 256); err != nil {
			return err
		}
		calm.measure()
		if err := calm.paced(ps[0], 0, 0, quiet, 256, rate); err != nil {
			return err
		}
		await(&calm.delivered, others*quiet, 2*time.Second)
		calmly := calm.quantile(.99)

		var stop atomic.Bool
		var taken, refused atomic.Int64
		var flooding sync.WaitGroup
		for range 32 {
			flooding.Go(func() {
				p := &publisher{s: rude}
				defer p.close()
				for !stop.Load() {
					switch err := p.publish(listeners, mark{number: warmUp}, 256); {
					case err == nil:
						taken.Add(1)
					case errors.Is(err, errRefused):
						refused.Add(1)
						time.Sleep(time.Millisecond) // so that this process has the time to look at its clocks
					default:
						return
					}
				}
			})
		}
		flooding.Go(func() {
			for !stop.Load() {
				comers, err := newFleet(crowd{clients: 500, channel: zero, dial: rude.dial(zero)})
				if err != nil {
					return
				}
				comers.wanted.Store(500)
				time.Sleep(time.Second)
				comers.close()
			}
		})
		calm.measure()
		err = calm.paced(ps[0], 0, quiet, flooded, 256, rate)
		stop.Store(true)
		flooding.Wait()
		if err != nil {
			return err
		}
		all := await(&calm.delivered, others*(quiet+flooded), 5*time.Second)
		during := calm.quantile(.99)
		b.report.add("hookcast", "others' p99 ms, quiet", float64(calmly)/1e6)
		b.report.add("hookcast", "in the flood", float64(during)/1e6)
		b.report.add("hookcast", "of the flood taken/s", float64(taken.Load())/(flooded/rate))
		b.report.add("hookcast", "refused/s", float64(refused.Load())/(flooded/rate))
		b.hold("others lost nothing", all && calm.wrong() == nil)
		b.within(fmt.Sprintf("others' p99 within %d times the quiet one", floodFactor), float64(during), floodFactor*float64(calmly))
		return nil
	})
}

// floodFactor is how much slower a tenant may get for another one's flood.
const floodFactor = 10
