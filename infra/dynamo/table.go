package dynamo

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/hookcast/hookcast/tenants"
)

// Table is a tenants.Table in one DynamoDB table.
type Table struct {
	client *dynamodb.Client
	name   *string
	bodies *bodies
	meter  *Meter
}

var _ tenants.Table = (*Table)(nil)

// Open returns the table of that name. Nothing is asked of DynamoDB. Of client's options the credentials, region and endpoint are
// taken; retries and timeouts are this package's own.
func Open(client *dynamodb.Client, name string) *Table {
	return &Table{client: dynamodb.New(client.Options(), tune), name: aws.String(name), bodies: &bodies{}}
}

// Get fulfils tenants.Table.
func (t *Table) Get(ctx context.Context, k tenants.Key) (tenants.Row, error) {
	call, cancel := bounded(ctx)
	defer cancel()
	out, err := t.client.GetItem(call, &dynamodb.GetItemInput{
		TableName: t.name, Key: keyItem(k), ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: t.meter.ask(),
	})
	if err != nil {
		return tenants.Row{}, engine(ctx, err)
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

// Write fulfils tenants.Table: one op is one request, several are a transaction.
func (t *Table) Write(ctx context.Context, ops ...tenants.Op) error {
	var (
		steps []step
		index []int // of each step's op in ops
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
		return engine(ctx, ctx.Err())
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

// WriteEach fulfils tenants.Table: a request for each op.
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
