package record

import (
	"context"
	"encoding/json"

	"github.com/hookcast/hookcast/tenants"
)

// Empty is the body of a row whose key says everything.
var Empty = []byte("{}")

func Encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("tenants: a record's fields always marshal: " + err.Error())
	}
	return b
}

func Decode[T any](r tenants.Row) (T, error) {
	var v T
	if err := json.Unmarshal(r.Body, &v); err != nil {
		return v, tenants.Errorf(tenants.Internal, "record_undecodable", "%w", err)
	}
	return v, nil
}

// Read gets and decodes the row at k. Where there is none it fails with NotFound and the code and detail given.
func Read[T any](ctx context.Context, t tenants.Table, k tenants.Key, code, detail string) (T, error) {
	row, err := t.Get(ctx, k)
	if err != nil {
		var none T
		if tenants.KindOf(err) == tenants.NotFound {
			return none, tenants.Errorf(tenants.NotFound, code, "%s", detail)
		}
		return none, err
	}
	return Decode[T](row)
}

// List returns up to limit records of an ordered kind behind after, and the Sort to go on from: "" at the end.
func List[T any](ctx context.Context, t tenants.Table, tenant tenants.TenantID, kind tenants.Kind, after string, limit int) (records []T, next string, err error) {
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

// Count counts the rows of an ordered kind, up to limit.
func Count(ctx context.Context, t tenants.Table, tenant tenants.TenantID, kind tenants.Kind, limit int) (n int, err error) {
	for after := ""; ; {
		rows, err := t.Query(ctx, tenants.Range{Tenant: tenant, Kind: kind, After: after, Limit: min(limit-n, 1000)})
		n += len(rows)
		if err != nil || n >= limit || len(rows) < 1000 {
			return n, err
		}
		after = rows[len(rows)-1].Sort
	}
}

// PageLimit holds a caller's page size to what the lists give: 1 to 100.
func PageLimit(limit int) int { return min(max(limit, 1), 100) }

func Set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}
