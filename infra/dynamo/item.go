package dynamo

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/hookcast/hookcast/tenants"
)

// Attributes gives access to the attributes of an item, independent of the library that decoded it. Each method
// returns false if the item has no attribute with that name and type.
type Attributes interface {
	Text(name string) (string, bool)
	Number(name string) (string, bool)
	Bytes(name string) ([]byte, bool)
}

// item is an item in the SDK's form.
type item map[string]types.AttributeValue

func (i item) Text(name string) (string, bool) {
	v, ok := i[name].(*types.AttributeValueMemberS)
	if !ok {
		return "", false
	}
	return v.Value, true
}

func (i item) Number(name string) (string, bool) {
	v, ok := i[name].(*types.AttributeValueMemberN)
	if !ok {
		return "", false
	}
	return v.Value, true
}

func (i item) Bytes(name string) ([]byte, bool) {
	v, ok := i[name].(*types.AttributeValueMemberB)
	if !ok {
		return nil, false
	}
	return v.Value, true
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func blob(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }
func number[T int | int64](n T) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(int64(n), 10)}
}

func keyItem(k tenants.Key) item {
	pk, sk := encodeKey(k)
	return item{AttrPartition: text(pk), AttrSort: text(sk)}
}

func decodeItemKey(a Attributes) (tenants.Key, error) {
	pk, _ := a.Text(AttrPartition)
	sk, ok := a.Text(AttrSort)
	if ok {
		if k, ok := decodeKey(pk, sk); ok {
			return k, nil
		}
	}
	return tenants.Key{}, undecodable("the key %q, %q is not a row's key", pk, sk)
}

// decodeRow returns the row at k from an item, even if it has expired.
func (c *bodies) decodeRow(k tenants.Key, a Attributes) (tenants.Row, error) {
	version, err := decodeNumber(a, AttrVersion)
	if err != nil {
		return tenants.Row{}, err
	}
	if version < 1 {
		return tenants.Row{}, undecodable("the version is %d, but must be at least 1", version)
	}
	encoding, err := decodeNumber(a, AttrEncoding)
	if err != nil {
		return tenants.Row{}, err
	}
	expires, err := decodeNumber(a, AttrExpires)
	if err != nil {
		return tenants.Row{}, err
	}
	stored, ok := a.Bytes(AttrBody)
	if !ok {
		return tenants.Row{}, undecodable("the body is missing")
	}
	body, err := c.decode(stored, int(encoding))
	if err != nil {
		return tenants.Row{}, undecodable("the body cannot be decoded: %v", err)
	}
	row := tenants.Row{Key: k, Version: version, Body: body}
	if expires != 0 {
		row.Expires = time.Unix(expires, 0)
	}
	return row, nil
}

// decodeNumber returns 0 if the item has no such attribute.
func decodeNumber(a Attributes, name string) (int64, error) {
	s, ok := a.Number(name)
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, undecodable("the attribute %s is %q, but must be an integer", name, s)
	}
	return n, nil
}

func undecodable(format string, args ...any) error {
	return tenants.Errorf(tenants.Internal, "row_undecodable", "an item is not a valid row: "+format, args...)
}

// expirySeconds returns t in seconds since 1970, rounded up, or 0 for never.
func expirySeconds(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Nanosecond() > 0:
		return max(1, t.Unix()+1)
	default:
		return max(1, t.Unix())
	}
}

func now() int64 { return time.Now().Unix() }
