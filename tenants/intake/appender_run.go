package intake

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

const (
	receiveAtMost = 256
	batchTime     = 30 * time.Second // a batch in hand is finished within this, also once Run is told to end
)

// Run receives and appends with so many workers at most until ctx ends. Then each finishes the batch in its hands, and Run returns.
func (a *Appender) Run(ctx context.Context, workers int) {
	c := &worker.Pool{Queue: a.queue, Workers: workers, Batch: receiveAtMost, Logger: a.Logger, Handle: func(rs []tenants.Received) []int {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTime)
		defer cancel()
		return a.Append(ctx, rs)
	}}
	c.Run(ctx)
}
