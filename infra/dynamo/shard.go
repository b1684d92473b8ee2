package dynamo

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// shard is a part of the stream and the position in it.
type shard struct {
	id, parent string
	start      types.ShardIteratorType // where to begin if after is ""
	after      string                  // sequence number of the last record that is done
	iterator   *string                 // nil if a new one is needed
	ended      bool                    // all records have been read
}

// seek gets an iterator if the shard has none. A shard that no longer exists has ended.
func (s *shard) seek(ctx context.Context, f *Feed) error {
	if s.iterator != nil || s.ended {
		return nil
	}
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: f.stream, ShardId: aws.String(s.id),
		ShardIteratorType: s.start}
	if s.after != "" {
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, aws.String(s.after)
	}
	out, err := f.client.GetShardIterator(ctx, in)
	switch {
	case is[*types.TrimmedDataAccessException](err):
		s.start, s.after = types.ShardIteratorTypeTrimHorizon, ""
		return nil // the next round tries again
	case is[*types.ResourceNotFoundException](err):
		s.ended = true
		return nil
	case err != nil:
		return err
	}
	s.iterator = out.ShardIterator
	return nil
}

// read returns the records after the shard's position, or nil if the next round has to try again.
func (s *shard) read(ctx context.Context, f *Feed, limit int32) (*dynamodbstreams.GetRecordsOutput, error) {
	if err := s.seek(ctx, f); err != nil || s.iterator == nil {
		return nil, err
	}
	out, err := f.client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: s.iterator,
		Limit: aws.Int32(limit)})
	switch {
	case is[*types.ExpiredIteratorException](err): // after 15 minutes
		s.iterator, s.start = nil, types.ShardIteratorTypeTrimHorizon // LATEST would skip records now
		return nil, nil
	case is[*types.TrimmedDataAccessException](err):
		s.iterator, s.start, s.after = nil, types.ShardIteratorTypeTrimHorizon, ""
		return nil, nil
	case is[*types.ResourceNotFoundException](err):
		s.ended = true
		return nil, nil
	}
	return out, err
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// later reports whether the sequence number a is greater than b. They have up to 40 digits and no leading zeros.
func later(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

// streamItem is an item in the SDK's form for streams.
type streamItem map[string]types.AttributeValue

func (i streamItem) Text(name string) (string, bool) {
	v, ok := i[name].(*types.AttributeValueMemberS)
	if !ok {
		return "", false
	}
	return v.Value, true
}

func (i streamItem) Number(name string) (string, bool) {
	v, ok := i[name].(*types.AttributeValueMemberN)
	if !ok {
		return "", false
	}
	return v.Value, true
}

func (i streamItem) Bytes(name string) ([]byte, bool) {
	v, ok := i[name].(*types.AttributeValueMemberB)
	if !ok {
		return nil, false
	}
	return v.Value, true
}
