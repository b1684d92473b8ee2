package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/hookcast/hookcast/infra/stacks"
)

// delivery hands batches of a stream's records to a function until they are processed or given up, as
// https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html describes. If the function
// names a failed record, those before it are processed. The rest is halved if the mapping says so, which does not
// count as a retry; a batch that cannot be halved is retried, and in the end recorded as a failure.
type delivery struct {
	source *stacks.EventSource
	invoke invoker
	note   func(ctx context.Context, f failure) error // sends to the mapping's destination for failures
	pause  func(ctx context.Context, try int)
	log    *slog.Logger

	mu    sync.Mutex
	begun map[string]bool // by shard
}

// failure describes a batch that was given up.
type failure struct {
	Shard       string
	First, Last string // sequence numbers
	Size        int
	Tries       int
	Condition   string
}

// begin reports whether this is its first call for the shard.
func (d *delivery) begin(shard string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begun[shard] {
		return false
	}
	d.begun[shard] = true
	return true
}

// batch delivers records, which are of one shard and in order.
func (d *delivery) batch(ctx context.Context, shard string, rs []record) {
	began := time.Now()
	for tries := 0; ctx.Err() == nil; {
		done := d.try(ctx, rs)
		if done == len(rs) {
			return
		}
		if done > 0 {
			rs, tries = rs[done:], 0
		}
		if d.source.Bisect && len(rs) > 1 {
			half := len(rs) / 2
			d.batch(ctx, shard, rs[:half])
			d.batch(ctx, shard, rs[half:])
			return
		}
		tries++
		condition := ""
		switch {
		case d.source.MaxRetries >= 0 && tries > d.source.MaxRetries:
			condition = "RetryAttemptsExhausted"
		case d.source.MaxAge > 0 && time.Since(began) > d.source.MaxAge:
			condition = "RecordAgeExceeded"
		}
		if condition != "" {
			f := failure{shard, rs[0].sequence, rs[len(rs)-1].sequence, len(rs), tries, condition}
			d.log.Error("records were given up", "shard", shard, "first", f.First, "records", f.Size, "why", condition)
			for d.source.OnFailure != nil && ctx.Err() == nil {
				if err := d.note(ctx, f); err == nil {
					break
				}
				d.pause(ctx, 1)
			}
			return
		}
		d.pause(ctx, tries)
	}
}

// try hands the records over once and returns how many of them are processed.
func (d *delivery) try(ctx context.Context, rs []record) int {
	bodies := make([]json.RawMessage, len(rs))
	for i, r := range rs {
		bodies[i] = r.body
	}
	payload, err := json.Marshal(map[string]any{"Records": bodies})
	if err != nil {
		return 0
	}
	answer, err := d.invoke(context.WithoutCancel(ctx), payload)
	if err != nil {
		d.log.Warn("a function failed", "function", d.source.Function.Name, "error", err)
		return 0
	}
	if !d.source.Partial {
		return len(rs)
	}
	var response events.DynamoDBEventResponse
	if len(answer) > 0 && json.Unmarshal(answer, &response) != nil {
		return 0
	}
	done := len(rs)
	for _, f := range response.BatchItemFailures {
		at := 0 // an unknown identifier means that all have failed
		for i, r := range rs {
			if r.sequence == f.ItemIdentifier {
				at = i
			}
		}
		done = min(done, at)
	}
	return done
}
