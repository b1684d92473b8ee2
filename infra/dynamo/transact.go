package dynamo

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/hookcast/hookcast/tenants"
)

// transact executes either all steps or none. It returns a RefusedError with the index of a step whose condition
// fails. For 10 minutes DynamoDB recognizes a repeated request by its token, so a retry after a lost response
// succeeds.
func (t *Table) transact(ctx context.Context, steps []step) error {
	call, cancel := withTimeout(ctx)
	defer cancel()
	in := &dynamodb.TransactWriteItemsInput{
		ClientRequestToken: aws.String(rand.Text()), ReturnConsumedCapacity: t.meter.ask(),
	}
	for _, s := range steps {
		in.TransactItems = append(in.TransactItems, t.part(s))
	}
	for try := 1; ; try++ {
		out, err := t.client.TransactWriteItems(call, in)
		if err == nil {
			t.meter.wrote(out.ConsumedCapacity...)
			return nil
		}
		cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
		if !ok {
			return domainError(ctx, err)
		}
		v := weigh(cancelled.CancellationReasons)
		if v.again && try < attempts && pause(call, try) == nil {
			continue
		}
		switch {
		case ctx.Err() != nil:
			return domainError(ctx, err)
		case v.refused >= 0:
			return &tenants.RefusedError{Op: v.refused}
		case v.again:
			return tenants.Errorf(tenants.Unavailable, v.code, "%w", err)
		default:
			return tenants.Errorf(tenants.Internal, "storage_refused", "%w", err)
		}
	}
}

func (t *Table) part(s step) types.TransactWriteItem {
	switch {
	case s.action == tenants.ActionCheck:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: t.name, Key: s.key, ConditionExpression: s.cond,
			ExpressionAttributeNames: s.names, ExpressionAttributeValues: s.values,
		}}
	case s.action == tenants.ActionDelete:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: t.name, Key: s.key, ConditionExpression: s.cond,
			ExpressionAttributeNames: s.names, ExpressionAttributeValues: s.values,
		}}
	case s.update != nil:
		return types.TransactWriteItem{Update: &types.Update{
			TableName: t.name, Key: s.key, UpdateExpression: s.update,
			ExpressionAttributeNames: s.names, ExpressionAttributeValues: s.values,
		}}
	default:
		return types.TransactWriteItem{Put: &types.Put{
			TableName: t.name, Item: s.item, ConditionExpression: s.cond,
			ExpressionAttributeNames: s.names, ExpressionAttributeValues: s.values,
		}}
	}
}

// verdict says why a transaction was cancelled.
type verdict struct {
	refused int    // index of the first step whose condition failed; -1 if none
	again   bool   // the same request may succeed later
	code    string // with again: the error's code if retries do not succeed
}

// weigh reads the reasons, one for each step. If a step before the first refused one had a conflict, its own
// condition is not known; a retry will tell.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CancellationReason.html
func weigh(reasons []types.CancellationReason) verdict {
	v := verdict{refused: -1}
	for i, r := range reasons {
		switch aws.ToString(r.Code) {
		case "ConditionalCheckFailed":
			v.refused = i
			return v
		case "TransactionConflict":
			v.again, v.code = true, "storage_busy"
		case "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded":
			v.again, v.code = true, "storage_throttled"
		}
	}
	return v
}
