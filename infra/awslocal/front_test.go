package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/stacks"
	"github.com/hookcast/hookcast/tenants"
)

func TestRoutesMatchAsAGatewaysDo(t *testing.T) {
	in, v1, rest := &stacks.Function{Name: "ingest"}, &stacks.Function{Name: "admin"}, &stacks.Function{Name: "rest"}
	f := &front{routes: []stacks.Route{
		{Method: "ANY", Path: "", Function: rest}, {Method: "ANY", Path: "/v1/{proxy+}", Function: v1},
		{Method: "ANY", Path: "/in/{token}", Function: in},
		{Method: "GET", Path: "/v1/only", Function: in},
	}}
	for path, want := range map[string]string{
		"/in/x": "ingest", "/in/": "rest", "/in/x/y": "rest", "/in": "rest", "/v1/a": "admin", "/v1/a/b": "admin",
		"/v1/": "rest", "/v1": "rest",
		"/": "rest", "/v1/only": "ingest", "/in/%2F": "ingest", "/V1/a": "rest",
	} {
		if got := f.route(httptest.NewRequest("GET", path, nil)); got == nil || got.Function.Name != want {
			t.Errorf("%s is served by %+v, want %s", path, got, want)
		}
	}
	if got := f.route(httptest.NewRequest("POST", "/v1/only", nil)); got.Function.Name != "admin" {
		t.Errorf("another method is served by %s, want admin", got.Function.Name)
	}
	if got := (&front{}).route(httptest.NewRequest("GET", "/", nil)); got != nil {
		t.Errorf("without routes got %+v, want nil", got)
	}
}

// An invocation continues after its caller has stopped waiting, and its answer is dropped.
func TestAnAnswerThatComesTooLateIsDropped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun, end, ended := make(chan bool), make(chan bool), make(chan bool)
	go func() {
		<-begun
		cancel()
	}()
	answer, err := within(ctx, func(context.Context, []byte) ([]byte, error) {
		defer close(ended)
		close(begun)
		<-end
		return []byte("late"), nil
	}, nil)
	close(end)
	<-ended
	if answer != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("a late answer returned %q, %v, want context.Canceled", answer, err)
	}
	answer, err = within(t.Context(), func(_ context.Context, b []byte) ([]byte, error) {
		return b, errors.New("no")
	}, []byte("x"))
	if string(answer) != "x" || err == nil {
		t.Errorf("an answer with an error returned %q, %v", answer, err)
	}
}

func TestEventsAreAsAGatewayMakesThem(t *testing.T) {
	route := stacks.Route{Method: "ANY", Path: "/in/{token}", Payload: "2.0"}
	r := httptest.NewRequest("POST", "http://h.example/in/a%2Fb?x=1&x=%20", nil)
	r.Header.Add("X-Signature", "a")
	r.Header.Add("X-Signature", "b")
	r.Header.Add("Cookie", "c=1; d=2")
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	e := event(r, route, []byte("{}"))
	if e.Version != "2.0" || e.RouteKey != "ANY /in/{token}" || e.RawPath != "/in/a%2Fb" ||
		e.RawQueryString != "x=1&x=%20" || e.Body != "{}" || e.IsBase64Encoded {
		t.Errorf("the event is %+v", e)
	}
	if e.Headers["x-signature"] != "a,b" || e.Headers["host"] != "h.example" || e.Headers["content-length"] != "2" ||
		e.Headers["cookie"] != "" || strings.Join(e.Cookies, "|") != "c=1|d=2" {
		t.Errorf("the event has the headers %v and the cookies %q", e.Headers, e.Cookies)
	}
	for kind, text := range map[string]bool{
		"text/plain": true, "application/json": true, "application/xml": true, "application/javascript": true,
		"application/octet-stream": false, "application/x-www-form-urlencoded": false, "": false, "image/png": false,
		";": false,
	} {
		r.Header.Set("Content-Type", kind)
		if e := event(r, route, []byte("\xff")); e.IsBase64Encoded == text {
			t.Errorf("a body of type %q is base64: %v, want %v", kind, e.IsBase64Encoded, !text)
		}
	}
}

// The table's adapter can read the records that a function gets.
func TestRecordsAreReadByTheAdapter(t *testing.T) {
	image := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "ten_a#log/orders"}, "sk": &types.AttributeValueMemberS{Value: "1"},
		"k": &types.AttributeValueMemberS{Value: "log"}, "v": &types.AttributeValueMemberN{Value: "1"},
		"b": &types.AttributeValueMemberB{Value: []byte("\xff\x00")},
		"other": &types.AttributeValueMemberL{
			Value: []types.AttributeValue{&types.AttributeValueMemberBOOL{Value: true}},
		},
	}
	r, err := newRecord(types.Record{EventName: types.OperationTypeInsert, Dynamodb: &types.StreamRecord{
		Keys: map[string]types.AttributeValue{"pk": image["pk"], "sk": image["sk"]}, NewImage: image,
		SequenceNumber: aws.String("42"),
	}}, "arn:stream", "pk")
	if err != nil || r.sequence != "42" || r.key != "ten_a#log/orders" {
		t.Fatalf("the record is %+v, %v", r, err)
	}
	c, err := dynamo.DecodeRecord(r.body)
	if err != nil || c.Row.Key != (tenants.Key{Tenant: "ten_a", Kind: "log/orders", Sort: "1"}) ||
		string(c.Row.Body) != "\xff\x00" || c.Deleted {
		t.Errorf("the change is %+v, %v", c, err)
	}
	filter, err := stacks.ParseFilter(`{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"k": {"S": ["log"]}}}}`)
	if err != nil || !filter.Match(r.fields) {
		t.Errorf("the filter does not match %s (%v)", r.body, err)
	}
}
