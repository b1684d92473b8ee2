package dynamo

import (
	"encoding/json"

	"github.com/hookcast/hookcast/tenants"
)

// Decode makes a Change of a record of the table's stream: of its Keys and its NewImage, nil where the row was removed. What is not a
// row of this package's, or was written by a later version of it: kind Internal, code row_undecodable. A row past its expiry comes as it
// was written.
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

// DecodeRecord is Decode for one of the Records of the JSON that Lambda hands to a function.
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
		return tenants.Change{}, undecodable("the record: %v", err)
	}
	switch {
	case r.Event == "REMOVE":
		return Decode(r.DynamoDB.Keys, nil)
	case r.Event != "INSERT" && r.Event != "MODIFY":
		return tenants.Change{}, undecodable("the record is a %q", r.Event)
	case r.DynamoDB.NewImage == nil:
		return tenants.Change{}, undecodable("the record has no new image")
	}
	return Decode(r.DynamoDB.Keys, r.DynamoDB.NewImage)
}

// jsonItem is an item as DynamoDB's JSON has it. Attributes of other types are those of somebody else.
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
