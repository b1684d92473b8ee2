package dynamo

import (
	"encoding/json"

	"github.com/hookcast/hookcast/tenants"
)

// Decode returns the Change of a record of the table's stream. image is the record's NewImage, or nil if the row was
// removed. The error has kind Internal and code row_undecodable if the item was not written by this package, or by a
// later version of it. An expired row is returned as it was written.
func Decode(keys, image Attributes) (tenants.Change, error) {
	return new(bodies).decodeChange(keys, image)
}

func (c *bodies) decodeChange(keys, image Attributes) (tenants.Change, error) {
	k, err := decodeItemKey(keys)
	if err != nil {
		return tenants.Change{}, err
	}
	if image == nil {
		return tenants.Change{Row: tenants.Row{Key: k}, Deleted: true}, nil
	}
	row, err := c.decodeRow(k, image)
	return tenants.Change{Row: row}, err
}

// DecodeRecord is like Decode for one of the Records in the JSON that Lambda passes to a function.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
func DecodeRecord(record []byte) (tenants.Change, error) {
	var r struct {
		Event    string `json:"eventName"`
		DynamoDB struct {
			Keys, NewImage jsonItem
		} `json:"dynamodb"`
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return tenants.Change{}, undecodable("the record is not valid JSON: %v", err)
	}
	switch {
	case r.Event == "REMOVE":
		return Decode(r.DynamoDB.Keys, nil)
	case r.Event != "INSERT" && r.Event != "MODIFY":
		return tenants.Change{}, undecodable("the record has event %q, but must be INSERT, MODIFY or REMOVE", r.Event)
	case r.DynamoDB.NewImage == nil:
		return tenants.Change{}, undecodable("the record has no new image")
	}
	return Decode(r.DynamoDB.Keys, r.DynamoDB.NewImage)
}

// jsonItem is an item in DynamoDB's JSON. This package uses no attributes of other types.
type jsonItem map[string]struct {
	S, N *string
	B    []byte // base64 in JSON
}

func (i jsonItem) Text(name string) (string, bool) {
	if v := i[name]; v.S != nil {
		return *v.S, true
	}
	return "", false
}

func (i jsonItem) Number(name string) (string, bool) {
	if v := i[name]; v.N != nil {
		return *v.N, true
	}
	return "", false
}

func (i jsonItem) Bytes(name string) ([]byte, bool) {
	v := i[name]
	return v.B, v.B != nil
}
