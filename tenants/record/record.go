package record

import (
	"context"
	"encoding/json"

	"github.com/hookcast/hookcast/tenants"
)

// Empty is the body of a row whose key says everything. It must not be changed.
var Empty = []byte("{}")

// Encode returns the body of the row for a record: its JSON as package encoding/json writes it, by Go field name
// unless a tag says otherwise. A field's name is for ever: rows written under it are read by every later version.
// Encode panics if v has a type that JSON cannot represent, such as a channel or a function.
func Encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("record: a record must be encodable as JSON: " + err.Error())
	}
	return b
}

// Decode is the inverse of Encode: it reads the row's body with package encoding/json, by Go field name. A member of
// the body that T lacks is ignored, and a field that the body lacks is zero, so a record can gain fields and a
// field's name is for ever. A body that is not JSON for T: kind Internal, code record_undecodable.
func Decode[T any](r tenants.Row) (T, error) {
	var v T
	if err := json.Unmarshal(r.Body, &v); err != nil {
		return v, tenants.Errorf(tenants.Internal, "record_undecodable", "%w", err)
	}
	return v, nil
}

// Read returns the record in the row at k. If there is no row, it fails with NotFound and the given code and detail.
func Read[T any](ctx context.Context, t tenants.Table, k tenants.Key, code, detail string) (T, error) {
	v, was, err := Find[T](ctx, t, k)
	if err == nil && was.IsAbsent() {
		err = tenants.Errorf(tenants.NotFound, code, "%s", detail)
	}
	return v, err
}

// List returns up to limit records of an ordered kind, in order of Sort, beginning after the Sort after ("" for the
// first). It also returns the Sort to continue after, "" at the end.
func List[T any](ctx context.Context, t tenants.Table, tenant tenants.TenantID, kind tenants.Kind, after string,
	limit int) (records []T, next string, err error) {
	rows, err := t.Query(ctx, tenants.Range{Tenant: tenant, Kind: kind, After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	records = make([]T, 0, len(rows))
	for _, row := range rows {
		v, err := Decode[T](row)
		if err != nil {
			return nil, "", err
		}
		records = append(records, v)
	}
	if len(rows) == limit {
		next = rows[limit-1].Sort
	}
	return records, next, nil
}

// Count returns the number of rows of an ordered kind, and stops counting at limit.
func Count(ctx context.Context, t tenants.Table, tenant tenants.TenantID, kind tenants.Kind,
	limit int) (n int, err error) {
	for after := ""; ; {
		rows, err := t.Query(ctx, tenants.Range{Tenant: tenant, Kind: kind, After: after, Limit: min(limit-n, 1000)})
		n += len(rows)
		if err != nil || n >= limit || len(rows) < 1000 {
			return n, err
		}
		after = rows[len(rows)-1].Sort
	}
}

// PageLimit returns the page size to use for the one that a caller asked for: limit itself from 1 to 100, else the
// nearer bound.
func PageLimit(limit int) int { return min(max(limit, 1), 100) }

// Set sets field to the value at to, unless to is nil. A change of a record has a pointer for each field that it may
// change.
func Set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}
