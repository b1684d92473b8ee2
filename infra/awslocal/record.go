package main

import (
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// record is a stream's record as Lambda passes it to a function, with its number.
type record struct {
	sequence string
	key      string // the item's partition key
	body     json.RawMessage
	fields   any // decoded body, for filters
}

// newRecord uses the format of https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html.
func newRecord(r types.Record, streamARN, partitionKey string) (record, error) {
	d := r.Dynamodb
	change := map[string]any{
		"Keys": attributes(d.Keys), "SequenceNumber": aws.ToString(d.SequenceNumber),
		"SizeBytes":      aws.ToInt64(d.SizeBytes),
		"StreamViewType": string(d.StreamViewType),
	}
	if d.ApproximateCreationDateTime != nil {
		change["ApproximateCreationDateTime"] = d.ApproximateCreationDateTime.Unix()
	}
	if d.NewImage != nil {
		change["NewImage"] = attributes(d.NewImage)
	}
	if d.OldImage != nil {
		change["OldImage"] = attributes(d.OldImage)
	}
	whole := map[string]any{
		"eventID": aws.ToString(r.EventID), "eventName": string(r.EventName),
		"eventVersion": aws.ToString(r.EventVersion),
		"eventSource":  "aws:dynamodb", "awsRegion": region, "dynamodb": change, "eventSourceARN": streamARN,
	}
	out := record{sequence: aws.ToString(d.SequenceNumber)}
	if k, ok := d.Keys[partitionKey].(*types.AttributeValueMemberS); ok {
		out.key = k.Value
	}
	var err error
	if out.body, err = json.Marshal(whole); err == nil {
		err = json.Unmarshal(out.body, &out.fields)
	}
	return out, err
}

// attributes returns an item in DynamoDB's JSON format.
func attributes(item map[string]types.AttributeValue) map[string]any {
	out := make(map[string]any, len(item))
	for name, v := range item {
		out[name] = attribute(v)
	}
	return out
}

func attribute(v types.AttributeValue) any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": v.Value}
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}
	case *types.AttributeValueMemberB:
		return map[string]any{"B": v.Value} // base64 in JSON
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": v.Value}
	case *types.AttributeValueMemberNULL:
		return map[string]any{"NULL": v.Value}
	case *types.AttributeValueMemberSS:
		return map[string]any{"SS": v.Value}
	case *types.AttributeValueMemberNS:
		return map[string]any{"NS": v.Value}
	case *types.AttributeValueMemberBS:
		return map[string]any{"BS": v.Value}
	case *types.AttributeValueMemberM:
		return map[string]any{"M": attributes(v.Value)}
	case *types.AttributeValueMemberL:
		list := make([]any, len(v.Value))
		for i, item := range v.Value {
			list[i] = attribute(item)
		}
		return map[string]any{"L": list}
	}
	return nil
}
