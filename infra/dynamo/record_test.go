package dynamo_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/tenants"
)

// frame is the record in Lambda's documentation, https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html.
const frame = `{"eventID":"c4ca4238a0b923820dcc509a6f75849b","eventName":%q,"eventVersion":"1.1",
	"eventSource":"aws:dynamodb","awsRegion":"us-east-1",
	"dynamodb":{%s,"ApproximateCreationDateTime":1479499740,"SequenceNumber":"4421584500000000017450439091",
	"SizeBytes":26,"StreamViewType":"NEW_IMAGE"},
	"eventSourceARN":"arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2016-11-16T20:42:48.104"}`

const keys = `"Keys":{"pk":{"S":"ten_a#log/orders.42"},"sk":{"S":"0000000000000000007"}}`

func deflate(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestSpeed)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func TestRecordsOfLambdaAreDecoded(t *testing.T) {
	at := tenants.Key{Tenant: "ten_a", Kind: "log/orders.42", Sort: "0000000000000000007"}
	long := strings.Repeat("long ", 200)
	for name, c := range map[string]struct {
		event, dynamodb string
		want            tenants.Change
	}{
		"insert": {"INSERT", keys + `,"NewImage":{"pk":{"S":"x"},"k":{"S":"log"},"v":{"N":"1"},"b":{"B":"Ym9keQ=="},` +
			`"ttl":{"N":"1800000000"}}`,
			tenants.Change{Row: tenants.Row{Key: at, Version: 1, Body: []byte("body"),
				Expires: time.Unix(1800000000, 0)}}},
		"modify": {"MODIFY", keys + `,"NewImage":{"v":{"N":"12"},"b":{"B":"` + deflate(long) + `"},"z":{"N":"1"},` +
			`"other":{"L":[{"BOOL":true}]}}`,
			tenants.Change{Row: tenants.Row{Key: at, Version: 12, Body: []byte(long)}}},
		"empty": {"MODIFY", keys + `,"NewImage":{"v":{"N":"2"},"b":{"B":""}}`,
			tenants.Change{Row: tenants.Row{Key: at, Version: 2, Body: []byte{}}}},
		"remove": {"REMOVE", keys, tenants.Change{Row: tenants.Row{Key: at}, Deleted: true}},
		"point": {"REMOVE", `"Keys":{"pk":{"S":"sys#key#ab#c"},"sk":{"S":"-"}}`,
			tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: "sys", Kind: "key", Sort: "ab#c"}},
				Deleted: true}},
	} {
		got, err := dynamo.DecodeRecord(fmt.Appendf(nil, frame, c.event, c.dynamodb))
		if err != nil || got.Deleted != c.want.Deleted || got.Row.Key != c.want.Row.Key ||
			got.Row.Version != c.want.Row.Version ||
			!bytes.Equal(got.Row.Body, c.want.Row.Body) || (got.Row.Body == nil) != (c.want.Row.Body == nil) ||
			!got.Row.Expires.Equal(c.want.Row.Expires) {
			t.Errorf("%s: DecodeRecord = %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

func TestOtherRecordsAreRefused(t *testing.T) {
	const row = `"v":{"N":"1"},"b":{"B":"Ym9keQ=="}`
	for name, record := range map[string]string{
		"not JSON":            `{`,
		"null":                `null`,
		"another event":       fmt.Sprintf(frame, "UPSERT", keys+`,"NewImage":{`+row+`}`),
		"no keys":             fmt.Sprintf(frame, "INSERT", `"NewImage":{`+row+`}`),
		"no keys of ours":     fmt.Sprintf(frame, "REMOVE", `"Keys":{"pk":{"S":"order-42"},"sk":{"S":"1"}}`),
		"a key of numbers":    fmt.Sprintf(frame, "REMOVE", `"Keys":{"pk":{"N":"1"},"sk":{"N":"1"}}`),
		"no image":            fmt.Sprintf(frame, "INSERT", keys),
		"no version":          fmt.Sprintf(frame, "INSERT", keys+`,"NewImage":{"b":{"B":"Ym9keQ=="}}`),
		"a version of zero":   fmt.Sprintf(frame, "INSERT", keys+`,"NewImage":{"v":{"N":"0"},"b":{"B":""}}`),
		"a version of halves": fmt.Sprintf(frame, "INSERT", keys+`,"NewImage":{"v":{"N":"1.5"},"b":{"B":""}}`),
		"no body":             fmt.Sprintf(frame, "INSERT", keys+`,"NewImage":{"v":{"N":"1"}}`),
		"no base64":           fmt.Sprintf(frame, "INSERT", keys+`,"NewImage":{"v":{"N":"1"},"b":{"B":"!"}}`),
		"a later encoding":    fmt.Sprintf(frame, "INSERT", keys+`,"NewImage":{`+row+`,"z":{"N":"9"}}`),
		"not as it says":      fmt.Sprintf(frame, "INSERT", keys+`,"NewImage":{`+row+`,"z":{"N":"1"}}`),
		"an endless expiry":   fmt.Sprintf(frame, "INSERT", keys+`,"NewImage":{`+row+`,"ttl":{"N":"1e99"}}`),
	} {
		if c, err := dynamo.DecodeRecord([]byte(record)); tenants.KindOf(err) != tenants.Internal ||
			tenants.CodeOf(err) != "row_undecodable" {
			t.Errorf("%s: DecodeRecord = %+v, %v, want row_undecodable", name, c, err)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(fmt.Appendf(nil, frame, "INSERT", keys+`,"NewImage":{"v":{"N":"1"},"b":{"B":"Ym9keQ=="},"z":{"N":"1"}}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		c, err := dynamo.DecodeRecord(record)
		if err == nil && (c.Row.Tenant == "" || c.Row.Kind == "" || !c.Deleted && c.Row.Version < 1) {
			t.Errorf("DecodeRecord(%s) = %+v, want a tenant, a kind and a version", record, c)
		}
	})
}
