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
	maxRecords = 1000                   // of one GetRecords
	relist     = 5 * time.Second        // between looks for new shards
	idleMin    = 20 * time.Millisecond  // between rounds over shards that have nothing, at first
	idleMax    = 500 * time.Millisecond // and in the end
)

// Feed is a tenants.Feed of a table's stream, for one process that reads all of its shards. A deployment's functions get the stream from
// Lambda instead. Its position is in memory: a new Feed begins with the changes from then on.
//
// DynamoDB keeps a change for 24 hours. A Feed that is further behind goes on with the oldest that there is. At an item that is not this
// package's it stops, with row_undecodable.
type Feed struct {
	client *dynamodbstreams.Client
	stream *string
	bodies bodies

	mu     sync.Mutex
	shards map[string]*shard
	order  []string // ids, parents first; the next one to be asked is the first
	listed time.Time
}

var _ tenants.Feed = (*Feed)(nil)

// NewFeed returns a feed of the changes of the table of that name from now on. The table has a stream (TableSchema).
func NewFeed(ctx context.Context, tables *dynamodb.Client, streams *dynamodbstreams.Client, table string) (*Feed, error) {
	out, err := tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)})
	if err != nil {
		return nil, engine(ctx, err)
	}
	if out.Table.LatestStreamArn == nil {
		return nil, tenants.Errorf(tenants.Internal, "storage_no_stream", "the table %s has no stream", table)
	}
	f := &Feed{client: dynamodbstreams.New(streams.Options(), tuneStreams), stream: out.Table.LatestStreamArn, shards: make(map[string]*shard)}
	if err := f.list(ctx, types.ShardIteratorTypeLatest); err != nil {
		return nil, engine(ctx, err)
	}
	for _, id := range f.order {
		if err := f.shards[id].seek(ctx, f); err != nil { // now is now, and not at the first Next
			return nil, engine(ctx, err)
		}
	}
	return f, nil
}

// list adds the shards that are not known yet. Those found first are read from their position start.
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

// Next fulfils tenants.Feed. Until done is called it returns the same changes again.
func (f *Feed) Next(ctx context.Context, max int) ([]tenants.Change, func(context.Context) error, error) {
	for idle := idleMin; ; idle = min(2*idle, idleMax) {
		changes, done, err := f.round(ctx, int32(min(max, maxRecords)))
		if err != nil {
			return nil, nil, engine(ctx, err)
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

// round asks each shard once, until one has changes.
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
			continue // what a parent holds is older
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

// moved goes on behind what was read. A shard without a next iterator is closed, and its children have the rest.
func (f *Feed) moved(s *shard, next *string) {
	s.iterator = next
	if next == nil {
		s.ended = true
		f.listed = time.Time{} // there are children
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
