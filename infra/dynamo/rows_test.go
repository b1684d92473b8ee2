package dynamo_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/tenants"
)

// stored returns the item of a row of a point kind as DynamoDB stores it, or nil if there is none.
func stored(t *testing.T, name string, k tenants.Key) map[string]types.AttributeValue {
	t.Helper()
	pk := fmt.Sprintf("%s#%s#%s", k.Tenant, k.Kind, k.Sort)
	out, err := client(server.URL(t)).GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String(name), ConsistentRead: aws.Bool(true), Key: map[string]types.AttributeValue{
			dynamo.AttrPartition: &types.AttributeValueMemberS{Value: pk},
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
		t.Fatalf("the item %v has no number %s", i, name)
	}
	return n.Value
}

// The rows of this test have expired but are still stored, as for days on AWS.
func TestExpiredRowsThatAreStillThere(t *testing.T) {
	name := create(t)
	_, err := client(server.URL(t)).UpdateTimeToLive(t.Context(),
		&dynamodb.UpdateTimeToLiveInput{TableName: aws.String(name),
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(dynamo.AttrExpires),
				Enabled: aws.Bool(false)}})
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
			t.Fatalf("version %s is stored, want 2", v)
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
			t.Error("the expiry is still stored after a put without one")
		}

		for _, op := range []tenants.Op{tenants.Put(k, nil, never, tenants.At(2)), tenants.Delete(k, tenants.At(2)),
			tenants.Check(k, tenants.At(2))} {
			op.Row.Key = expired()
			refused(t, table.Write(t.Context(), append(with, op)...), len(with))
			if v := storedNumber(t, stored(t, name, op.Row.Key), dynamo.AttrVersion); v != "2" {
				t.Errorf("version %s is stored after a refused write, want 2", v)
			}
		}

		k = expired()
		write(t, table, append(with, tenants.Delete(k, tenants.Absent()))...)
		if stored(t, name, k) != nil {
			t.Error("the expired row is still stored after its delete")
		}
		write(t, table, append(with, tenants.Check(expired(), tenants.Absent()))...)
	}
}

func TestTheLargestRowFits(t *testing.T) {
	table, body, sort := open(t), dynamo.Random(390<<10), strings.Repeat("#", 1024)
	for _, k := range []tenants.Key{key("evt", sort), key("log/"+tenants.Kind(strings.Repeat("c", 128)), sort)} {
		write(t, table, tenants.Put(k, body, time.Now().Add(time.Hour), tenants.Absent()))
		write(t, table, tenants.Put(k, body, time.Now().Add(time.Hour), tenants.Anything()))
		write(t, table, tenants.Put(k, body, time.Now().Add(time.Hour), tenants.At(2)),
			tenants.Check(key("evt", "b"), tenants.Absent()))
		row, err := table.Get(t.Context(), k)
		if err != nil || !bytes.Equal(row.Body, body) || row.Version != 3 {
			t.Errorf("Get = %d bytes at version %d, %v, want %d bytes at version 3", len(row.Body), row.Version,
				err, len(body))
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
		if b := i1[dynamo.AttrBody].(*types.AttributeValueMemberB).Value; len(b) > len(long)/10 ||
			storedNumber(t, i1, dynamo.AttrEncoding) != "1" {
			t.Errorf("put %d stored %d bytes, want at most %d with encoding 1", i, len(b), len(long)/10)
		}
		if row, err := table.Get(t.Context(), k); err != nil || !bytes.Equal(row.Body, long) {
			t.Errorf("after put %d Get = %d bytes, %v, want the %d written", i, len(row.Body), err, len(long))
		}
	}
	write(t, table, tenants.Put(k, []byte("short"), never, tenants.Anything()))
	i2 := stored(t, name, k)
	if b := i2[dynamo.AttrBody].(*types.AttributeValueMemberB).Value; string(b) != "short" ||
		i2[dynamo.AttrEncoding] != nil {
		t.Errorf("stored %q with encoding %v, want short without one", b, i2[dynamo.AttrEncoding])
	}
	if f := i2[dynamo.AttrFamily].(*types.AttributeValueMemberS).Value; f != "evt" {
		t.Errorf("stored family %q, want evt", f)
	}
}

func TestAnItemOfSomebodyElse(t *testing.T) {
	name := create(t)
	_, err := client(server.URL(t)).PutItem(t.Context(),
		&dynamodb.PutItemInput{TableName: aws.String(name), Item: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: "ten_a#log/a"}, "sk": &types.AttributeValueMemberS{Value: "1"},
			"v": &types.AttributeValueMemberS{Value: "1"},
		}})
	if err != nil {
		t.Fatal(err)
	}
	table := dynamo.Open(client(server.URL(t)), name)
	_, get := table.Get(t.Context(), key("log/a", "1"))
	_, query := table.Query(t.Context(), tenants.Range{Tenant: "ten_a", Kind: "log/a", Limit: 1})
	for _, err := range []error{get, query} {
		if tenants.KindOf(err) != tenants.Internal || tenants.CodeOf(err) != "row_undecodable" {
			t.Errorf("error %v, want row_undecodable", err)
		}
	}
}

// DynamoDB itself reports the costs: one write unit for 1 KB, one read unit for 4 KB, and twice that in a transaction.
func TestCosts(t *testing.T) {
	var m dynamo.Meter
	table := open(t).Metered(&m)
	kb := dynamo.Random(900)
	cost := func(what string, want dynamo.Cost, f func()) {
		t.Helper()
		before := m.Cost()
		f()
		after := m.Cost()
		got := dynamo.Cost{Requests: after.Requests - before.Requests, ReadUnits: after.ReadUnits - before.ReadUnits,
			WriteUnits: after.WriteUnits - before.WriteUnits}
		if got != want {
			t.Errorf("%s costs %+v, want %+v", what, got, want)
		}
	}
	cost("a put of a new row", dynamo.Cost{Requests: 1, WriteUnits: 1}, func() {
		write(t, table, tenants.Put(key("log/a", "1"), kb, never, tenants.Absent()))
	})
	cost("a put over a row", dynamo.Cost{Requests: 1, WriteUnits: 1}, func() {
		write(t, table, tenants.Put(key("log/a", "1"), kb, never, tenants.Anything()))
	})
	cost("a large put", dynamo.Cost{Requests: 1, WriteUnits: 11}, func() {
		write(t, table, tenants.Put(key("log/a", "2"), dynamo.Random(10<<10), never, tenants.Absent()))
	})
	cost("a transaction of two puts", dynamo.Cost{Requests: 1, WriteUnits: 4}, func() {
		write(t, table, tenants.Put(key("evt", "1"), kb, never, tenants.Absent()),
			tenants.Put(key("evt", "2"), kb, never, tenants.Absent()))
	})
	cost("three by WriteEach", dynamo.Cost{Requests: 3, WriteUnits: 3}, func() {
		if _, err := table.WriteEach(t.Context(), tenants.Put(key("log/b", "1"), kb, never, tenants.Absent()),
			tenants.Put(key("log/b", "2"), kb, never, tenants.Absent()),
			tenants.Put(key("log/b", "3"), kb, never, tenants.Absent())); err != nil {
			t.Error(err)
		}
	})
	cost("a get", dynamo.Cost{Requests: 1, ReadUnits: 1}, func() { at(t, table, key("evt", "1"), 1) })
	cost("a query of three", dynamo.Cost{Requests: 1, ReadUnits: 1}, func() {
		if rows, err := table.Query(t.Context(),
			tenants.Range{Tenant: "ten_a", Kind: "log/b", Limit: 10}); err != nil || len(rows) != 3 {
			t.Errorf("Query = %d rows, %v, want 3", len(rows), err)
		}
	})
	cost("a check", dynamo.Cost{Requests: 1, ReadUnits: 1}, func() {
		write(t, table, tenants.Check(key("evt", "1"), tenants.At(1)))
	})
	cost("a check of anything", dynamo.Cost{}, func() {
		write(t, table, tenants.Check(key("evt", "1"), tenants.Anything()))
	})
}

// A query finds a live row after many expired ones in few requests.
func TestAQueryPassesExpiredRowsQuickly(t *testing.T) {
	var m dynamo.Meter
	table := open(t).Metered(&m)
	for part := range 8 {
		var ops []tenants.Op
		for i := range 100 {
			ops = append(ops, tenants.Put(key("log/a", fmt.Sprintf("%03d", part*100+i)),
				nil, time.Now().Add(-time.Hour), tenants.Absent()))
		}
		write(t, table, ops...)
	}
	write(t, table, tenants.Put(key("log/a", "9"), nil, never, tenants.Absent()))
	before := m.Cost().Requests
	rows, err := table.Query(t.Context(), tenants.Range{Tenant: "ten_a", Kind: "log/a", Limit: 1})
	if err != nil || len(rows) != 1 || rows[0].Sort != "9" {
		t.Errorf("Query = %v, %v, want row 9", rows, err)
	}
	if n := m.Cost().Requests - before; n > 11 {
		t.Errorf("Query took %d requests, want at most 11", n)
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
	if len(ks) != 2 || *ks[0].AttributeName != s.PartitionKey || *ks[1].AttributeName != s.SortKey ||
		string(out.Table.StreamSpecification.StreamViewType) != s.StreamView {
		t.Errorf("the table has key schema %v and stream %v, want %+v", ks, out.Table.StreamSpecification, s)
	}
	ttl, err := c.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(name)})
	if err != nil || *ttl.TimeToLiveDescription.AttributeName != s.Expires {
		t.Errorf("the table's expiry is %v, %v, want attribute %s", ttl, err, s.Expires)
	}
}
