package main

import (
	"context"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/hookcast/hookcast/infra/stacks"
)

const (
	shardsEvery  = 2 * time.Second       // between two queries for new shards
	recordsEvery = 50 * time.Millisecond // between two reads of a shard without records; Lambda uses 250 ms
)

// streamPoller passes a stream's records to a function, as an event source mapping does.
type streamPoller struct {
	streams *dynamodbstreams.Client
	arn     string
	source  *stacks.EventSource
	deliver *delivery
	log     *slog.Logger
}

// run follows all shards until ctx ends; a shard's children follow once it is read to its end.
func (p *streamPoller) run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	known := make(map[string]chan struct{}) // closed when the shard is processed
	for ctx.Err() == nil {
		shards, err := p.shards(ctx)
		if err != nil && ctx.Err() == nil {
			p.log.Warn("a stream's shards could not be listed", "error", err)
		}
		for _, s := range shards {
			if id := aws.ToString(s.ShardId); known[id] == nil {
				known[id] = make(chan struct{})
			}
		}
		for _, s := range shards {
			id, parent := aws.ToString(s.ShardId), known[aws.ToString(s.ParentShardId)]
			done := known[id]
			select {
			case <-done:
				continue
			default:
			}
			if p.deliver.begin(id) {
				all.Go(func() {
					if parent != nil {
						select {
						case <-parent:
						case <-ctx.Done():
							return
						}
					}
					p.follow(ctx, id)
					if ctx.Err() == nil {
						close(done)
					}
				})
			}
		}
		sleep(ctx, shardsEvery)
	}
}

func (p *streamPoller) shards(ctx context.Context) (shards []types.Shard, err error) {
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &p.arn}
	for {
		out, err := p.streams.DescribeStream(ctx, in)
		if err != nil {
			return nil, err
		}
		shards = append(shards, out.StreamDescription.Shards...)
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return shards, nil
		}
	}
}

// follow reads a shard to its end.
func (p *streamPoller) follow(ctx context.Context, shard string) {
	start := types.ShardIteratorTypeLatest
	if p.source.Oldest {
		start = types.ShardIteratorTypeTrimHorizon
	}
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &p.arn, ShardId: &shard, ShardIteratorType: start}
	var iterator *string
	for ctx.Err() == nil {
		if iterator == nil {
			out, err := p.streams.GetShardIterator(ctx, in)
			if err != nil {
				p.log.Warn("a shard could not be opened", "error", err)
				sleep(ctx, time.Second)
				continue
			}
			iterator = out.ShardIterator
		}
		out, err := p.streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: iterator,
			Limit: aws.Int32(1000)})
		if err != nil {
			if ctx.Err() == nil {
				p.log.Warn("a shard could not be read", "error", err)
			}
			iterator = nil
			sleep(ctx, time.Second)
			continue
		}
		p.hand(ctx, shard, out.Records)
		if n := len(out.Records); n > 0 {
			in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber,
				out.Records[n-1].Dynamodb.SequenceNumber
		} else {
			sleep(ctx, recordsEvery)
		}
		if iterator = out.NextShardIterator; iterator == nil {
			return
		}
	}
}

// hand delivers the records that the function wants, in order for each partition, in as many lanes as the mapping has.
func (p *streamPoller) hand(ctx context.Context, shard string, rs []types.Record) {
	lanes := make([][]record, max(p.source.Concurrency, 1))
	for _, r := range rs {
		one, err := newRecord(r, p.arn, p.source.Table.PartitionKey)
		if err != nil {
			p.log.Error("a stream's record could not be decoded", "error", err)
			continue
		}
		if p.source.Wants(one.fields) {
			h := fnv.New32a()
			_, _ = h.Write([]byte(one.key))
			lane := int(h.Sum32() % uint32(len(lanes)))
			lanes[lane] = append(lanes[lane], one)
		}
	}
	var all sync.WaitGroup
	for _, lane := range lanes {
		all.Go(func() {
			for len(lane) > 0 && ctx.Err() == nil {
				n := min(len(lane), p.source.BatchSize)
				p.deliver.batch(ctx, shard, lane[:n])
				lane = lane[n:]
			}
		})
	}
	all.Wait()
}
