package main

import (
	"context"
	"sync/atomic"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/streamer"
	"github.com/hookcast/hookcast/tenants/delivery"
)

// deliverWorkers is the number of concurrent attempts: a box's network and sockets bear that easily.
const deliverWorkers = 128

// deliveries holds the parts that deliver events to endpoints: the dispatcher reads the table's changes, the
// deliverer sends.
type deliveries struct {
	dispatcher *delivery.Dispatcher
	deliverer  *delivery.Deliverer
	feed       *sqlite.Feed
	outcomes   map[delivery.Outcome]*atomic.Int64
}

// openDeliveries wires what goes out.
func (b *box) openDeliveries(ctx context.Context) error {
	d := &deliveries{outcomes: make(map[delivery.Outcome]*atomic.Int64)}
	for _, name := range delivery.Outcomes() {
		d.outcomes[name] = new(atomic.Int64)
	}
	var err error
	if d.feed, err = b.db.Feed(ctx, "deliver"); err != nil {
		return err
	}
	d.dispatcher = delivery.NewDispatcher(b.Outbox)
	d.deliverer = delivery.NewDeliverer(b.Outbox, b.reach)
	d.deliverer.Observe = func(o delivery.Outcome) { d.outcomes[o].Add(1) }
	b.out = d
	return nil
}

func (d *deliveries) metrics() (list []streamer.Metric) {
	for _, o := range delivery.Outcomes() {
		list = append(list, streamer.Metric{
			Name: "hookcast_deliveries_" + string(o) + "_total", Help: "Delivery messages with this outcome.",
			Counter: true,
			Value:   float64(d.outcomes[o].Load()),
		})
	}
	return list
}
