package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/tenants"
)

var never = time.Time{}

func key(kind tenants.Kind, sort string) tenants.Key {
	return tenants.Key{Tenant: "ten_a", Kind: kind, Sort: sort}
}

// faulty returns a table that is reached through a proxy, and the same table without the proxy.
func faulty(t *testing.T) (p *proxy, behind, direct *dynamo.Table) {
	t.Helper()
	p, name := newProxy(t), create(t)
	t.Cleanup(func() { p.plan(t) })
	return p, dynamo.Open(client(p.URL), name), dynamo.Open(client(p.to), name)
}

func write(t *testing.T, table tenants.Table, ops ...tenants.Op) {
	t.Helper()
	if err := table.Write(t.Context(), ops...); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// at checks that the row at k has version v; 0 means that it does not exist.
func at(t *testing.T, table tenants.Table, k tenants.Key, v int64) {
	t.Helper()
	row, err := table.Get(t.Context(), k)
	if v == 0 && tenants.KindOf(err) == tenants.NotFound && err != nil {
		return
	}
	if err != nil || row.Version != v {
		t.Errorf("%v has version %d, %v, want %d", k, row.Version, err, v)
	}
}

func unavailable(t *testing.T, err error, code string) {
	t.Helper()
	if tenants.KindOf(err) != tenants.Unavailable || tenants.CodeOf(err) != code {
		t.Errorf("error %v, want %s", err, code)
	}
}

func refused(t *testing.T, err error, op int) {
	t.Helper()
	if r, ok := errors.AsType[*tenants.RefusedError](err); !ok || r.Op != op {
		t.Errorf("error %#v, want op %d refused", err, op)
	}
}

// A temporary failure is retried, so the caller gets no error.
func TestPassingFailuresAreRetried(t *testing.T) {
	p, table, direct := faulty(t)
	for i, f := range []fault{
		refuse("", "ThrottlingException"), refuse("", "ProvisionedThroughputExceededException"),
		refuse("", "RequestLimitExceeded"),
		refuse("", "TransactionConflictException"), refuse("", "TransactionInProgressException"),
		refuse("", "InternalServerError"), refuse("", "ServiceUnavailable"), {},
	} {
		k, other := key("log/a", fmt.Sprint(i)), key("evt", fmt.Sprint(i))
		p.plan(t, times(3, f)...)
		write(t, table, tenants.Put(k, nil, never, tenants.Absent()))
		p.plan(t, times(3, f)...)
		at(t, table, k, 1)
		p.plan(t, times(3, f)...)
		if rows, err := table.Query(t.Context(),
			tenants.Range{Tenant: "ten_a", Kind: "log/a", Limit: 100}); err != nil || len(rows) != i+1 {
			t.Errorf("Query = %d rows, %v, want %d", len(rows), err, i+1)
		}
		p.plan(t, times(3, f)...)
		write(t, table, tenants.Put(k, nil, never, tenants.At(1)), tenants.Put(other, nil, never, tenants.Absent()))
		at(t, direct, k, 2)
		at(t, direct, other, 1)
	}
}

func TestLongThrottlingIsUnavailable(t *testing.T) {
	p, table, direct := faulty(t)
	k := key("evt", "a")
	p.plan(t, times(8, refuse("PutItem", "ThrottlingException"))...)
	err := table.Write(t.Context(), tenants.Put(k, nil, never, tenants.Absent()))
	unavailable(t, err, "storage_throttled")
	if e, _ := errors.AsType[*tenants.Error](err); e.RetryAfter <= 0 {
		t.Error("the error has no RetryAfter")
	}
	at(t, direct, k, 0)
	p.plan(t, times(8, cancelled("None", "ThrottlingError"))...)
	unavailable(t, table.Write(t.Context(), tenants.Put(k, nil, never, tenants.Absent()),
		tenants.Check(key("evt", "b"), tenants.Absent())), "storage_throttled")
}

// A write takes effect but is reported as failed. The condition of the retry fails because of the first attempt,
// which is not a refusal.
func TestALostAnswerIsNoRefusal(t *testing.T) {
	p, table, direct := faulty(t)
	for name, f := range map[string]func(op string) fault{"lost": lost, "failed": failed} {
		k := key("evt", name)
		p.plan(t, f("PutItem"))
		unavailable(t, table.Write(t.Context(), tenants.Put(k, nil, never, tenants.Absent())), "outcome_unknown")
		at(t, direct, k, 1)
		p.plan(t, f("PutItem"))
		unavailable(t, table.Write(t.Context(), tenants.Put(k, nil, never, tenants.At(1))), "outcome_unknown")
		at(t, direct, k, 2)
		p.plan(t, f("UpdateItem"))
		write(t, table, tenants.Put(k, []byte("b"), never, tenants.Anything()))
		at(t, direct, k, 4)
		p.plan(t, f("DeleteItem"))
		unavailable(t, table.Write(t.Context(), tenants.Delete(k, tenants.At(4))), "outcome_unknown")
		at(t, direct, k, 0)
		p.plan(t, f("DeleteItem"))
		write(t, table, tenants.Delete(k, tenants.Anything()))
		// DynamoDB recognizes a repeated transaction by its token.
		p.plan(t, f("TransactWriteItems"))
		write(t, table, tenants.Put(k, nil, never, tenants.Absent()),
			tenants.Put(key("head", name), nil, never, tenants.Anything()))
		if n := p.requests("TransactWriteItems"); n != 2 {
			t.Errorf("%s: %d requests, want 2", name, n)
		}
		at(t, direct, k, 1)
		at(t, direct, key("head", name), 1)
	}
}

// A failed condition after attempts without effect is a refusal.
func TestARefusalBehindThrottlingIsARefusal(t *testing.T) {
	p, table, direct := faulty(t)
	k := key("evt", "a")
	write(t, direct, tenants.Put(k, nil, never, tenants.Absent()))
	for _, code := range []string{"ThrottlingException", "TransactionConflictException"} {
		p.plan(t, refuse("PutItem", code))
		refused(t, table.Write(t.Context(), tenants.Put(k, nil, never, tenants.Absent())), 0)
	}
	at(t, direct, k, 1)
}

func TestWriteEachLeavesNoHole(t *testing.T) {
	p, table, direct := faulty(t)
	var ops []tenants.Op
	for i := range 5 {
		ops = append(ops, tenants.Put(key("log/a", fmt.Sprint(i)), nil, never, tenants.Absent()))
	}
	pass := passed("PutItem")
	p.plan(t, pass, pass, lost("PutItem"))
	done, err := table.WriteEach(t.Context(), ops...)
	unavailable(t, err, "outcome_unknown")
	rows, err := direct.Query(t.Context(), tenants.Range{Tenant: "ten_a", Kind: "log/a", Limit: 10})
	if err != nil || done != 2 || len(rows) != 3 || rows[2].Sort != "2" {
		t.Errorf("WriteEach wrote %d rows, of which %d are stored, %v, want 2 and 3", done, len(rows), err)
	}
	done, err = table.WriteEach(t.Context(), ops[3:]...)
	if done != 2 || err != nil {
		t.Errorf("second WriteEach = %d, %v, want 2", done, err)
	}
}

func TestCancelledTransactions(t *testing.T) {
	p, table, direct := faulty(t)
	a, b, c := key("evt", "a"), key("evt", "b"), key("evt", "c")
	ops := []tenants.Op{
		tenants.Put(a, nil, never, tenants.Anything()), tenants.Check(c, tenants.Anything()),
		tenants.Put(b, nil, never, tenants.Absent()),
	} // the second op has no condition and is left out of the request

	p.plan(t, cancelled("TransactionConflict", "None"), cancelled("None", "ThrottlingError"),
		cancelled("TransactionConflict", "ConditionalCheckFailed"))
	write(t, table, ops...)
	if n := p.requests("TransactWriteItems"); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
	at(t, direct, a, 1)
	at(t, direct, b, 1)

	for _, reasons := range [][]string{{"None", "ConditionalCheckFailed"}, {"None", "ConditionalCheckFailed"}} {
		p.plan(t, cancelled(reasons...))
		refused(t, table.Write(t.Context(), ops...), 2)
		if n := p.requests("TransactWriteItems"); n != 1 {
			t.Errorf("%d requests until the refusal, want 1", n)
		}
	}
	p.plan(t, cancelled("ConditionalCheckFailed", "TransactionConflict"))
	refused(t, table.Write(t.Context(), ops...), 0)
	p.plan(t, times(8, cancelled("TransactionConflict", "None"))...)
	unavailable(t, table.Write(t.Context(), ops...), "storage_busy")
	p.plan(t, times(8, cancelled("TransactionConflict", "ConditionalCheckFailed"))...)
	refused(t, table.Write(t.Context(), ops...), 2)
	p.plan(t, cancelled("None", "ValidationError"))
	if err := table.Write(t.Context(), ops...); tenants.KindOf(err) != tenants.Internal ||
		tenants.CodeOf(err) != "storage_refused" {
		t.Errorf("error %v, want storage_refused", err)
	}
	at(t, direct, a, 1)
}

// Failures that the same request would meet again are not retried, and each has its code.
func TestLastingFailuresHaveTheirCode(t *testing.T) {
	p, table, _ := faulty(t)
	k, other := key("log/a", "1"), key("evt", "a")
	for _, c := range []struct {
		fault fault
		kind  tenants.ErrorKind
		code  string
	}{
		{refuse("", "ExpiredTokenException"), tenants.Unavailable, "storage_credentials"},
		{refuse("", "UnrecognizedClientException"), tenants.Unavailable, "storage_credentials"},
		{refuse("", "InvalidSignatureException"), tenants.Unavailable, "storage_credentials"},
		{refuse("", "ResourceNotFoundException"), tenants.Unavailable, "storage_missing"},
		{refuse("", "AccessDeniedException"), tenants.Internal, "storage_denied"},
		{refuse("", "ValidationException"), tenants.Internal, "storage_refused"},
		{refuse("", "ItemCollectionSizeLimitExceededException"), tenants.Internal, "storage_refused"},
	} {
		for name, call := range map[string]func(context.Context) error{
			"Get": func(ctx context.Context) error { _, err := table.Get(ctx, k); return err },
			"Query": func(ctx context.Context) error {
				_, err := table.Query(ctx, tenants.Range{Tenant: "ten_a", Kind: "log/a", Limit: 1})
				return err
			},
			"put": func(ctx context.Context) error {
				return table.Write(ctx, tenants.Put(k, nil, never, tenants.Absent()))
			},
			"update": func(ctx context.Context) error {
				return table.Write(ctx, tenants.Put(k, nil, never, tenants.Anything()))
			},
			"delete": func(ctx context.Context) error { return table.Write(ctx, tenants.Delete(k, tenants.At(1))) },
			"check":  func(ctx context.Context) error { return table.Write(ctx, tenants.Check(k, tenants.At(1))) },
			"several": func(ctx context.Context) error {
				return table.Write(ctx, tenants.Delete(k, tenants.At(1)), tenants.Check(other, tenants.Absent()))
			},
			"WriteEach": func(ctx context.Context) error {
				_, err := table.WriteEach(ctx, tenants.Delete(k, tenants.At(1)))
				return err
			},
		} {
			p.plan(t, c.fault)
			if err := call(t.Context()); tenants.KindOf(err) != c.kind || tenants.CodeOf(err) != c.code || err == nil {
				t.Errorf("%s: error %v, want %s", name, err, c.code)
			}
		}
	}
}

func TestATableThatIsNotThere(t *testing.T) {
	table := dynamo.Open(client(server.URL(t)), "nowhere")
	_, err := table.Get(t.Context(), key("evt", "a"))
	unavailable(t, err, "storage_missing")
	unavailable(t, table.Write(t.Context(), tenants.Put(key("evt", "a"), nil, never, tenants.Absent())),
		"storage_missing")
	unavailable(t, table.Write(t.Context(), tenants.Put(key("evt", "a"), nil, never, tenants.Absent()),
		tenants.Put(key("evt", "b"), nil, never, tenants.Absent())), "storage_missing")
}

func TestNobodyListens(t *testing.T) {
	_, err := dynamo.Open(client("http://127.0.0.1:1"), "t").Get(t.Context(), key("evt", "a"))
	unavailable(t, err, "storage_unavailable")
}

func TestAServerThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	t.Parallel() // it takes the 3 seconds of an attempt
	p, name := newProxy(t), create(t)
	write(t, dynamo.Open(client(p.to), name), tenants.Put(key("evt", "a"), nil, never, tenants.Absent()))
	timed := dynamo.Open(dynamodb.New(client(p.URL).Options(), func(o *dynamodb.Options) {
		o.HTTPClient = awshttp.NewBuildableClient()
	}), name)
	p.plan(t, fault{op: "GetItem", silent: true})
	at(t, timed, key("evt", "a"), 1)
	p.plan(t)
}

func TestACtxThatEndsMeanwhile(t *testing.T) {
	p, table, _ := faulty(t)
	p.plan(t, fault{op: "PutItem", silent: true})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for p.requests("PutItem") == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	unavailable(t, table.Write(ctx, tenants.Put(key("evt", "a"), nil, never, tenants.Absent())), "cancelled")
}
