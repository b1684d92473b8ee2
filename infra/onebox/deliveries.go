package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/streamer"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
)

// deliverWorkers is how many attempts are under way at a time: what one box's network and sockets bear easily.
const deliverWorkers = 128

// deliveries are the box's way out: what is dispatched from the table's changes, and what delivers it.
type deliveries struct {
	outbox     *delivery.Outbox
	dispatcher *delivery.Dispatcher
	deliverer  *delivery.Deliverer
	feed       *sqlite.Feed
	outcomes   map[delivery.Outcome]*atomic.Int64
}

// openDeliveries wires deliveries. A message stays its worker's for longer than an attempt takes; after a crash it waits so long.
func (b *box) openDeliveries(ctx context.Context, channels *eventlog.Log) error {
	o := sqlite.QueueOptions{Visibility: delivery.AttemptTime + 20*time.Second, MaxReceives: 50}
	d := &deliveries{outbox: &delivery.Outbox{
		Table: b.db.Table(), Log: channels, Endpoints: b.endpoints, Ready: b.db.Queue("deliver", o), Waiting: b.db.Queue("deliver-waiting", o),
		Tenants: b.accounts, Notices: intake.NewNotices(b.queue), Logger: b.log,
	}, outcomes: make(map[delivery.Outcome]*atomic.Int64)}
	for _, name := range delivery.Outcomes() {
		d.outcomes[name] = new(atomic.Int64)
	}
	var err error
	if d.feed, err = b.db.Feed(ctx, "deliver"); err != nil {
		return err
	}
	d.dispatcher = delivery.NewDispatcher(d.outbox)
	d.deliverer = delivery.NewDeliverer(d.outbox, b.reach)
	d.deliverer.Observe = func(o delivery.Outcome) { d.outcomes[o].Add(1) }
	b.deliveries = d
	return nil
}

func (d *deliveries) metrics() (list []streamer.Metric) {
	for _, o := range delivery.Outcomes() {
		list = append(list, streamer.Metric{
			Name: "hookcast_deliveries_" + string(o) + "_total", Help: "Messages of deliveries of which this came.", Counter: true,
			Value: float64(d.outcomes[o].Load()),
		})
	}
	return list
}
