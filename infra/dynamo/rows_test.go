package dynamo_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/tenants"
)

func random(n int) []byte {
	b, rng := make([]byte, n), rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// stored returns the item of a point kind's row as DynamoDB has it, nil for none.
func stored(t *testing.T, name string, k tenants.Key) map[string]types.AttributeValue {
	t.Helper()
	out, err := client(server.URL(t)).GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String(name), ConsistentRead: aws.Bool(true), Key: map[string]types.AttributeValue{
			dynamo.AttrPartition: &types.AttributeValueMemberS{Value: fmt.Sprintf("%s#%s#%s", k.Tenant, k.Kind, k.Sort)},
			dynamo.AttrSort:      &types.AttributeValueMemberS{Value: "-"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

func storedNumber(t *testing.T, i map[string]types.AttributeValue, name string) string {
	t.Helper()
	n, ok := i[name].(*types.AttributeValueMemberN)
	if !ok {
		t.Fatalf("no number %s in %v", name, i)
	}
	return n.Value
}

// The rows of this test are past their expiry and there all the same, as they are for days on AWS.
func TestExpiredRowsThatAreStillThere(t *testing.T) {
	name := create(t)
	_, err := client(server.URL(t)).UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: aws.String(name),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(dynamo.AttrExpires), Enabled: aws.Bool(false)}})
	if err != nil {
		t.Fatal(err)
	}
	table := dynamo.Open(client(server.URL(t)), name)
	past := time.Now().Add(-time.Hour)
	i := 0
	expired := func() tenants.Key {
		i++
		k := key("evt", fmt.Sprint(i))
		write(t, table, tenants.Put(k, []byte("1"), never, tenants.Absent()))
		write(t, table, tenants.Put(k, []byte("2"), past, tenants.At(1)))
		if v := storedNumber(t, stored(t, name, k), dynamo.AttrVersion); v != "2" {
			t.Fatalf("version %s is stored", v)
		}
		return k
	}
	beside := tenants.Check(key("evt", "beside"), tenants.Absent()) // makes a transaction
	for _, with := range [][]tenants.Op{nil, {beside}} {
		k := expired()
		write(t, table, append(with, tenants.Put(k, nil, never, tenants.Absent()))...)
		at(t, table, k, 1)

		k = expired()
		write(t, table, append(with, tenants.Put(k, nil, never, tenants.Anything()))...)
		at(t, table, k, 3)
		if _, there := stored(t, name, k)[dynamo.AttrExpires]; there {
			t.Error("the expiry is still there")
		}

		for _, op := range []tenants.Op{tenants.Put(k, nil, never, tenants.At(2)), tenants.Delete(k, tenants.At(2)), tenants.Check(k, tenants.At(2))} {
			op.Row.Key = expired()
			refused(t, table.Write(t.Context(), append(with, op)...), len(with))
			if v := storedNumber(t, stored(t, name, op.Row.Key), dynamo.AttrVersion); v != "2" {
				t.Errorf("a refused write left version %s", v)
			}
		}

		k = expired()
		write(t, table, append(with, tenants.Delete(k, tenants.Absent()))...)
		if stored(t, name, k) != nil {
			t.Error("it is still there after its delete")
		}
		write(t, table, append(with, tenants.Check(expired(), tenants.Absent()))...)
	}
}

func TestTheLargestRowFits(t *testing.T) {
	table, body, sort := open(t), random(390<<10), strings.Repeat("#", 1024)
	for _, k := range []tenants.Key{key("evt", sort), key("log/"+tenants.Kind(strings.Repeat("c", 128)), sort)} {
		write(t, table, tenants.Put(k, body, time.Now().Add(time.Hour), tenants.Absent()))
		write(t, table, tenants.Put(k, body, time.Now().Add(time.Hour), tenants.Anything()))
		write(t, table, tenants.Put(k, body, time.Now().Add(time.Hour), tenants.At(2)), tenants.Check(key("evt", "b"), tenants.Absent()))
		row, err := table.Get(t.Context(), k)
		if err != nil || !bytes.Equal(row.Body, body) || row.Version != 3 {
			t.Errorf("%d bytes at version %d, %v", len(row.Body), row.Version, err)
		}
	}
}

func TestBodiesAreStoredCompressedWhereThatHelps(t *testing.T) {
	name := create(t)
	table, k := dynamo.Open(client(server.URL(t)), name), key("evt", "a")
	long := []byte(strings.Repeat(`{"order":42},`, 1000))
	for i, cond := range []tenants.Condition{tenants.Absent(), tenants.Anything(), tenants.At(2)} {
		write(t, table, tenants.Put(k, long, never, cond))
		i1 := stored(t, name, k)
		if b := i1[dynamo.AttrBody].(*types.AttributeValueMemberB).Value; len(b) > len(long)/10 || storedNumber(t, i1, dynamo.AttrEncoding) != "1" {
			t.Errorf("put %d stored %d bytes", i, len(b))
		}
		if row, err := table.Get(t.Context(), k); err != nil || !bytes.Equal(row.Body, long) {
			t.Errorf("put %d: %d bytes came back, %v", i, len(row.Body), err)
		}
	}
	write(t, table, tenants.Put(k, []byte("short"), never, tenants.Anything()))
	i2 := stored(t, name, k)
	if b := i2[dynamo.AttrBody].(*types.AttributeValueMemberB).Value; string(b) != "short" || i2[dynamo.AttrEncoding] != nil {
		t.Errorf("stored %q as %v", b, i2[dynamo.AttrEncoding])
	}
	if f := i2[dynamo.AttrFamily].(*types.AttributeValueMemberS).Value; f != "evt" {
		t.Errorf("family %q", f)
	}
}

func TestAnItemOfSomebodyElse(t *testing.T) {
	name := create(t)
	_, err := client(server.URL(t)).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(name), Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "ten_a#log/a"}, "sk": &types.AttributeValueMemberS{Value: "1"}, "v": &types.AttributeValueMemberS{Value: "1"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	table := dynamo.Open(client(server.URL(t)), name)
	_, get := table.Get(t.Context(), key("log/a", "1"))
	_, query := table.Query(t.Context(), tenants.Range{Tenant: "ten_a", Kind: "log/a", Limit: 1})
	for _, err := range []error{get, query} {
		if tenants.KindOf(err) != tenants.Internal || tenants.CodeOf(err) != "row_undecodable" {
			t.Errorf("error %v", err)
		}
	}
}

// Costs are DynamoDB's own figures: a write unit is 1 KB, a read unit 4 KB, a transaction twice that.
func TestCosts(t *testing.T) {
	var m dynamo.Meter
	table := open(t).Metered(&m)
	kb := random(900)
	cost := func(what string, want dynamo.Cost, f func()) {
		t.Helper()
		before := m.Cost()
		f()
		after := m.Cost()
		got := dynamo.Cost{Requests: after.Requests - before.Requests, ReadUnits: after.ReadUnits - before.ReadUnits, WriteUnits: after.WriteUnits - before.WriteUnits}
		if got != want {
			t.Errorf("%s costs %+v, want %+v", what, got, want)
		}
	}
	cost("a put of a new row", dynamo.Cost{Requests: 1, WriteUnits: 1}, func() { write(t, table, tenants.Put(key("log/a", "1"), kb, never, tenants.Absent())) })
	cost("a put over a row", dynamo.Cost{Requests: 1, WriteUnits: 1}, func() { write(t, table, tenants.Put(key("log/a", "1"), kb, never, tenants.Anything())) })
	cost("a large put", dynamo.Cost{Requests: 1, WriteUnits: 11}, func() { write(t, table, tenants.Put(key("log/a", "2"), random(10<<10), never, tenants.Absent())) })
	cost("a transaction of two puts", dynamo.Cost{Requests: 1, WriteUnits: 4}, func() {
		write(t, table, tenants.Put(key("evt", "1"), kb, never, tenants.Absent()), tenants.Put(key("evt", "2"), kb, never, tenants.Absent()))
	})
	cost("three by WriteEach", dynamo.Cost{Requests: 3, WriteUnits: 3}, func() {
		if _, err := table.WriteEach(t.Context(), tenants.Put(key("log/b", "1"), kb, never, tenants.Absent()),
			tenants.Put(key("log/b", "2"), kb, never, tenants.Absent()), tenants.Put(key("log/b", "3"), kb, never, tenants.Absent())); err != nil {
			t.Error(err)
		}
	})
	cost("a get", dynamo.Cost{Requests: 1, ReadUnits: 1}, func() { at(t, table, key("evt", "1"), 1) })
	cost("a query of three", dynamo.Cost{Requests: 1, ReadUnits: 1}, func() {
		if rows, err := table.Query(t.Context(), tenants.Range{Tenant: "ten_a", Kind: "log/b", Limit: 10}); err != nil || len(rows) != 3 {
			t.Errorf("%d rows, %v", len(rows), err)
		}
	})
	cost("a check", dynamo.Cost{Requests: 1, ReadUnits: 1}, func() { write(t, table, tenants.Check(key("evt", "1"), tenants.At(1))) })
	cost("a check of anything", dynamo.Cost{}, func() { write(t, table, tenants.Check(key("evt", "1"), tenants.Anything())) })
}

// A live row behind many expired ones is found in few requests.
func TestAQueryPassesExpiredRowsQuickly(t *testing.T) {
	var m dynamo.Meter
	table := open(t).Metered(&m)
	for part := range 8 {
		var ops []tenants.Op
		for i := range 100 {
			ops = append(ops, tenants.Put(key("log/a", fmt.Sprintf("%03d", part*100+i)), nil, time.Now().Add(-time.Hour), tenants.Absent()))
		}
		write(t, table, ops...)
	}
	write(t, table, tenants.Put(key("log/a", "9"), nil, never, tenants.Absent()))
	before := m.Cost().Requests
	rows, err := table.Query(t.Context(), tenants.Range{Tenant: "ten_a", Kind: "log/a", Limit: 1})
	if err != nil || len(rows) != 1 || rows[0].Sort != "9" {
		t.Errorf("rows %v, %v", rows, err)
	}
	if n := m.Cost().Requests - before; n > 11 {
		t.Errorf("%d requests", n)
	}
}

func TestTheTableIsMadeByTheSchema(t *testing.T) {
	name, s := create(t), dynamo.TableSchema()
	c := client(server.URL(t))
	out, err := c.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(name)})
	if err != nil {
		t.Fatal(err)
	}
	ks := out.Table.KeySchema
	if len(ks) != 2 || *ks[0].AttributeName != s.PartitionKey || *ks[1].AttributeName != s.SortKey || string(out.Table.StreamSpecification.StreamViewType) != s.StreamView {
		t.Errorf("key schema %v, stream %v", ks, out.Table.StreamSpecification)
	}
	ttl, err := c.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(name)})
	if err != nil || *ttl.TimeToLiveDescription.AttributeName != s.Expires {
		t.Errorf("expiry %v, %v", ttl, err)
	}
}
