package dynamo

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/hookcast/hookcast/tenants"
)

// step is an op as DynamoDB's expressions, for a single request or as part of a transaction.
type step struct {
	action tenants.Action
	key    item
	item   item    // for a put under a condition
	update *string // for a put under Anything
	cond   *string
	names  map[string]string
	values item
}

const (
	ifAbsent = "attribute_not_exists(pk) OR #ttl <= :now"
	ifAt     = "v = :v AND (attribute_not_exists(#ttl) OR #ttl > :now)"
)

// step returns the step for o. sec is the current time in seconds since 1970.
func (t *Table) step(o tenants.Op, sec int64) step {
	s := step{action: o.Action, key: keyItem(o.Row.Key)}
	version, at := o.If.Version()
	switch {
	case at:
		s.cond = aws.String(ifAt)
		s.values = item{":v": number(version), ":now": number(sec)}
		s.names = map[string]string{"#ttl": AttrExpires}
	case o.If.IsAbsent():
		s.cond = aws.String(ifAbsent)
		s.values = item{":now": number(sec)}
		s.names = map[string]string{"#ttl": AttrExpires}
	}
	if o.Action != tenants.ActionPut {
		return s
	}
	stored, encoding := t.bodies.encode(o.Row.Body)
	if stored == nil {
		stored = []byte{}
	}
	put := item{AttrFamily: text(Family(o.Row.Kind)), AttrBody: blob(stored)}
	if encoding != plain {
		put[AttrEncoding] = number(encoding)
	}
	if expires := expirySeconds(o.Row.Expires); expires != 0 {
		put[AttrExpires] = number(expires)
	}
	if s.cond == nil {
		s.upsert(put)
		return s
	}
	put[AttrPartition], put[AttrSort] = s.key[AttrPartition], s.key[AttrSort]
	put[AttrVersion] = number(version + 1) // version is 0 under Absent
	s.item = put
	return s
}

// upsert makes s a put under Anything. It is an update because the new version depends on the stored one.
func (s *step) upsert(put item) {
	s.values = item{":zero": number(0), ":one": number(1)}
	s.names = map[string]string{}
	set, remove := []string{"v = if_not_exists(v, :zero) + :one"}, []string(nil)
	for _, name := range []string{AttrFamily, AttrBody, AttrEncoding, AttrExpires} {
		s.names["#"+name] = name
		if v, ok := put[name]; ok {
			s.values[":"+name] = v
			set = append(set, "#"+name+" = :"+name)
		} else {
			remove = append(remove, "#"+name)
		}
	}
	expr := "SET " + strings.Join(set, ", ")
	if len(remove) > 0 {
		expr += " REMOVE " + strings.Join(remove, ", ")
	}
	s.update = aws.String(expr)
}

// do executes one step as a single request. It returns a RefusedError for op 0 if the condition fails.
func (t *Table) do(ctx context.Context, o tenants.Op, s step) error {
	if s.action == tenants.ActionCheck {
		return t.check(ctx, o)
	}
	call, cancel := withTimeout(ctx)
	defer cancel()
	var w witness
	cost, err := t.request(call, s, &w)
	switch {
	case err == nil:
		if cost != nil {
			t.meter.wrote(*cost)
		}
		return nil
	case conditionFailed(err) && w.unsure:
		return tenants.Errorf(tenants.Unavailable, "outcome_unknown", "%w", err)
	case conditionFailed(err):
		return &tenants.RefusedError{}
	default:
		return domainError(ctx, err)
	}
}

func (t *Table) request(ctx context.Context, s step, w *witness) (*types.ConsumedCapacity, error) {
	ask := t.meter.ask()
	switch {
	case s.action == tenants.ActionDelete:
		out, err := t.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: t.name, Key: s.key, ConditionExpression: s.cond,
			ExpressionAttributeNames: s.names, ExpressionAttributeValues: s.values, ReturnConsumedCapacity: ask,
		}, w.watch)
		if err != nil {
			return nil, err
		}
		return out.ConsumedCapacity, nil
	case s.update != nil:
		out, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: t.name, Key: s.key, UpdateExpression: s.update,
			ExpressionAttributeNames: s.names, ExpressionAttributeValues: s.values, ReturnConsumedCapacity: ask,
		}, w.watch)
		if err != nil {
			return nil, err
		}
		return out.ConsumedCapacity, nil
	default:
		out, err := t.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: t.name, Item: s.item, ConditionExpression: s.cond,
			ExpressionAttributeNames: s.names, ExpressionAttributeValues: s.values, ReturnConsumedCapacity: ask,
		}, w.watch)
		if err != nil {
			return nil, err
		}
		return out.ConsumedCapacity, nil
	}
}

// check executes a Write of a single check as a read.
func (t *Table) check(ctx context.Context, o tenants.Op) error {
	row, err := t.Get(ctx, o.Row.Key)
	there := err == nil
	if !there && tenants.KindOf(err) != tenants.NotFound {
		return err
	}
	version, at := o.If.Version()
	if o.If.IsAbsent() && there || at && (!there || row.Version != version) {
		return &tenants.RefusedError{}
	}
	return nil
}
