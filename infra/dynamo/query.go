package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/hookcast/hookcast/tenants"
)

// maxPage is the largest number of items requested in one page. DynamoDB ends a page at 1 MB in any case.
const maxPage = 1000

// Query implements tenants.Table.
func (t *Table) Query(ctx context.Context, r tenants.Range) ([]tenants.Row, error) {
	if r.Before != "" && r.After >= r.Before {
		return nil, domainError(ctx, ctx.Err())
	}
	in, page := t.rangeInput(r), r.Limit
	if r.After != "" && r.Before != "" {
		page += 2 // BETWEEN includes both ends
	}
	for rows := []tenants.Row(nil); ; {
		in.Limit = aws.Int32(int32(min(page, maxPage)))
		out, err := t.page(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, i := range out.Items {
			k, err := decodeItemKey(item(i))
			if err != nil {
				return nil, err
			}
			if k.Sort == r.After || k.Sort == r.Before {
				continue
			}
			row, err := t.bodies.decodeRow(k, item(i))
			if err != nil {
				return nil, err
			}
			if rows = append(rows, row); len(rows) == r.Limit {
				return rows, nil
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return rows, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
		// Expired rows count towards a page before the filter drops them. Pages grow, so that few requests suffice to
		// pass many of them.
		page = max(2*page, r.Limit-len(rows))
	}
}

func (t *Table) page(ctx context.Context, in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	call, cancel := withTimeout(ctx)
	defer cancel()
	out, err := t.client.Query(call, in)
	if err != nil {
		return nil, domainError(ctx, err)
	}
	t.meter.read(out.ConsumedCapacity)
	return out, nil
}

// rangeInput returns a request for r without its limit. A sort key can have only one condition, so a range with two
// ends uses BETWEEN.
func (t *Table) rangeInput(r tenants.Range) *dynamodb.QueryInput {
	cond := "pk = :pk"
	values := item{":pk": text(partition(r.Tenant, r.Kind)), ":now": number(now())}
	switch {
	case r.After != "" && r.Before != "":
		cond += " AND sk BETWEEN :after AND :before"
	case r.After != "":
		cond += " AND sk > :after"
	case r.Before != "":
		cond += " AND sk < :before"
	}
	if r.After != "" {
		values[":after"] = text(r.After)
	}
	if r.Before != "" {
		values[":before"] = text(r.Before)
	}
	return &dynamodb.QueryInput{
		TableName: t.name, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(!r.Backward),
		KeyConditionExpression:   aws.String(cond),
		FilterExpression:         aws.String("attribute_not_exists(#ttl) OR #ttl > :now"),
		ExpressionAttributeNames: map[string]string{"#ttl": AttrExpires}, ExpressionAttributeValues: values,
		ReturnConsumedCapacity: t.meter.ask(),
	}
}
