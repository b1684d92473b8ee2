package dynamo

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/hookcast/hookcast/tenants"
)

const (
	maxRecords = 1000                   // records of one GetRecords
	relist     = 5 * time.Second        // interval at which new shards are looked for
	idleMin    = 20 * time.Millisecond  // first pause after a round without records
	idleMax    = 500 * time.Millisecond // longest pause; it doubles up to this
)

// Feed implements tenants.Feed for a table's stream, for one process that reads all of its shards. A deployment's
// functions get the stream from Lambda instead. The position is in memory: a new Feed begins with new changes.
//
// DynamoDB stores a change for 24 hours. A Feed that is further behind continues with the oldest stored change. It
// stops with code row_undecodable at an item that this package did not write.
type Feed struct {
	client *dynamodbstreams.Client
	stream *string
	bodies bodies

	mu     sync.Mutex
	shards map[string]*shard
	order  []string  // ids of the shards, parents first; the first one is read next
	listed time.Time // when shards were last listed
}

var _ tenants.Feed = (*Feed)(nil)

// NewFeed returns a feed of new changes of the named table, which must have a stream (TableSchema).
func NewFeed(
	ctx context.Context, tables *dynamodb.Client, streams *dynamodbstreams.Client, table string,
) (*Feed, error) {
	out, err := tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)})
	if err != nil {
		return nil, domainError(ctx, err)
	}
	if out.Table.LatestStreamArn == nil {
		return nil, tenants.Errorf(tenants.Internal, "storage_no_stream",
			"the table %s has no stream: enable one with view type NEW_IMAGE", table)
	}
	f := &Feed{client: dynamodbstreams.New(streams.Options(), tuneStreams), stream: out.Table.LatestStreamArn,
		shards: make(map[string]*shard)}
	if err := f.list(ctx, types.ShardIteratorTypeLatest); err != nil {
		return nil, domainError(ctx, err)
	}
	for _, id := range f.order {
		if err := f.shards[id].seek(ctx, f); err != nil { // the feed begins now, not at the first Next
			return nil, domainError(ctx, err)
		}
	}
	return f, nil
}

// list adds new shards, which are read from position start, and removes ended ones that are no longer listed.
func (f *Feed) list(ctx context.Context, start types.ShardIteratorType) error {
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: f.stream}
	listed := make(map[string]bool)
	for {
		out, err := f.client.DescribeStream(ctx, in)
		if err != nil {
			return err
		}
		for _, s := range out.StreamDescription.Shards {
			id := aws.ToString(s.ShardId)
			listed[id] = true
			if f.shards[id] == nil {
				f.shards[id] = &shard{id: id, parent: aws.ToString(s.ParentShardId), start: start}
				f.order = append(f.order, id)
			}
		}
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			break
		}
	}
	f.order = slices.DeleteFunc(f.order, func(id string) bool {
		gone := f.shards[id].ended && !listed[id]
		if gone {
			delete(f.shards, id)
		}
		return gone
	})
	f.listed = time.Now()
	return nil
}

// Next implements tenants.Feed. It returns the same changes again until done is called.
func (f *Feed) Next(ctx context.Context, max int) ([]tenants.Change, func(context.Context) error, error) {
	for idle := idleMin; ; idle = min(2*idle, idleMax) {
		changes, done, err := f.round(ctx, int32(min(max, maxRecords)))
		if err != nil {
			return nil, nil, domainError(ctx, err)
		}
		if len(changes) > 0 {
			return changes, done, nil
		}
		t := time.NewTimer(idle)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// round reads the shards in turn until one has changes.
func (f *Feed) round(ctx context.Context, limit int32) ([]tenants.Change, func(context.Context) error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.listed) > relist {
		if err := f.list(ctx, types.ShardIteratorTypeTrimHorizon); err != nil {
			return nil, nil, err
		}
	}
	for range f.order {
		s := f.shards[f.order[0]]
		f.order = append(f.order[1:], s.id)
		if p := f.shards[s.parent]; s.ended || p != nil && !p.ended {
			continue // the parent's records are older
		}
		out, err := s.read(ctx, f, limit)
		if err != nil || out == nil {
			if err != nil {
				return nil, nil, err
			}
			continue
		}
		if len(out.Records) == 0 {
			f.moved(s, out.NextShardIterator)
			continue
		}
		changes, err := f.decode(out.Records)
		if err != nil {
			return nil, nil, err
		}
		last := aws.ToString(out.Records[len(out.Records)-1].Dynamodb.SequenceNumber)
		return changes, func(context.Context) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if later(last, s.after) {
				s.after = last
				f.moved(s, out.NextShardIterator)
			}
			return nil
		}, nil
	}
	return nil, nil, ctx.Err()
}

// moved sets the position after the records that were read. A shard without a next iterator is closed; its children
// have the later records.
func (f *Feed) moved(s *shard, next *string) {
	s.iterator = next
	if next == nil {
		s.ended = true
		f.listed = time.Time{} // list its children at once
	}
}

func (f *Feed) decode(records []types.Record) ([]tenants.Change, error) {
	changes := make([]tenants.Change, 0, len(records))
	for _, r := range records {
		var image Attributes
		if r.EventName != types.OperationTypeRemove {
			image = streamItem(r.Dynamodb.NewImage)
		}
		c, err := f.bodies.decodeChange(streamItem(r.Dynamodb.Keys), image)
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}
