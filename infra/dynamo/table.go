package dynamo

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/hookcast/hookcast/tenants"
)

// Table implements tenants.Table on one DynamoDB table.
type Table struct {
	client *dynamodb.Client
	name   *string
	bodies *bodies
	meter  *Meter
}

var _ tenants.Table = (*Table)(nil)

// Open returns the table with that name, without a request to DynamoDB. It uses client's credentials, region and
// endpoint, but its own retries and timeouts.
func Open(client *dynamodb.Client, name string) *Table {
	return &Table{client: dynamodb.New(client.Options(), tune), name: aws.String(name), bodies: &bodies{}}
}

// Get implements tenants.Table.
func (t *Table) Get(ctx context.Context, k tenants.Key) (tenants.Row, error) {
	call, cancel := withTimeout(ctx)
	defer cancel()
	out, err := t.client.GetItem(call, &dynamodb.GetItemInput{
		TableName: t.name, Key: keyItem(k), ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: t.meter.ask(),
	})
	if err != nil {
		return tenants.Row{}, domainError(ctx, err)
	}
	t.meter.read(out.ConsumedCapacity)
	if out.Item == nil {
		return tenants.Row{}, notFound()
	}
	row, err := t.bodies.decodeRow(k, item(out.Item))
	if err != nil {
		return tenants.Row{}, err
	}
	if !row.Expires.IsZero() && row.Expires.Unix() <= now() {
		return tenants.Row{}, notFound()
	}
	return row, nil
}

// Write implements tenants.Table. One op is one request, several ops are one transaction.
func (t *Table) Write(ctx context.Context, ops ...tenants.Op) error {
	var (
		steps []step
		index []int // for each step the index of its op
		sec   = now()
	)
	for i, o := range ops {
		if o.Action != tenants.ActionCheck || o.If != tenants.Anything() {
			steps = append(steps, t.step(o, sec))
			index = append(index, i)
		}
	}
	var err error
	switch len(steps) {
	case 0:
		return domainError(ctx, ctx.Err())
	case 1:
		err = t.do(ctx, ops[index[0]], steps[0])
	default:
		err = t.transact(ctx, steps)
	}
	if r, ok := errors.AsType[*tenants.RefusedError](err); ok {
		return &tenants.RefusedError{Op: index[r.Op]}
	}
	return err
}

// WriteEach implements tenants.Table with one request for each op.
func (t *Table) WriteEach(ctx context.Context, ops ...tenants.Op) (done int, err error) {
	for i, o := range ops {
		if err := t.Write(ctx, o); err != nil {
			if _, ok := errors.AsType[*tenants.RefusedError](err); ok {
				err = &tenants.RefusedError{Op: i}
			}
			return i, err
		}
	}
	return len(ops), nil
}
