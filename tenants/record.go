package tenants

import (
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The kinds of row that hold accounts. Bodies are encoding/json of the Go struct by its field names.
const (
	rowTenant     Kind = "tenant"         // {tenant}, ""
	rowVersion    Kind = "version"        // {tenant}, "": put again by every change that nodes must hear of
	rowDeployment Kind = "deployment"     // sys, ""
	rowKey        Kind = "key"            // sys, hex SHA-256 of the key
	rowSource     Kind = "source"         // sys, hex SHA-256 of the URL's token
	rowTenants    Kind = "list/tenants"   // sys, tenant id
	rowKeys       Kind = "list/keys"      // {tenant}, key id
	rowSources    Kind = "list/sources"   // {tenant}, source id
	rowEndpoints  Kind = "list/endpoints" // {tenant}, endpoint id
	rowProxies    Kind = "list/proxies"   // {tenant}, proxy id
	rowSigning    Kind = "list/signing"   // {tenant}, kid
	rowNodes      Kind = "list/nodes"     // sys, node id: a live node's lease
)

// Kinds whose rows other packages write, named here because deleting a tenant takes them along.
const (
	KindRevocations Kind = "list/revocations" // {tenant}, what is revoked; package token
	KindPolicy      Kind = "policy"           // {tenant}, "": the tenant's own access rules; package access
)

// emptyRecord is the body of a row whose key says everything.
var emptyRecord = []byte("{}")

func encodeRecord(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("tenants: a record's fields always marshal: " + err.Error())
	}
	return b
}

func decodeRecord[T any](r Row) (T, error) {
	var v T
	if err := json.Unmarshal(r.Body, &v); err != nil {
		return v, Errorf(Internal, "record_undecodable", "%w", err)
	}
	return v, nil
}

// readRecord gets and decodes the row at k. Where there is none it fails with NotFound and the code and detail given.
func readRecord[T any](ctx context.Context, t Table, k Key, code, detail string) (T, error) {
	row, err := t.Get(ctx, k)
	if err != nil {
		var none T
		if KindOf(err) == NotFound {
			return none, Errorf(NotFound, code, "%s", detail)
		}
		return none, err
	}
	return decodeRecord[T](row)
}

// listRecords returns up to limit records of an ordered kind behind after, and the Sort to go on from: "" at the end.
func listRecords[T any](ctx context.Context, t Table, tenant TenantID, kind Kind, after string, limit int) (records []T, next string, err error) {
	rows, err := t.Query(ctx, Range{Tenant: tenant, Kind: kind, After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	records = make([]T, 0, len(rows))
	for _, row := range rows {
		v, err := decodeRecord[T](row)
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

// countRows counts the rows of an ordered kind, up to limit.
func countRows(ctx context.Context, t Table, tenant TenantID, kind Kind, limit int) (n int, err error) {
	for after := ""; ; {
		rows, err := t.Query(ctx, Range{Tenant: tenant, Kind: kind, After: after, Limit: min(limit-n, 1000)})
		n += len(rows)
		if err != nil || n >= limit || len(rows) < 1000 {
			return n, err
		}
		after = rows[len(rows)-1].Sort
	}
}

// ended tells whether something that lasts until at (zero: for ever) is over.
func ended(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// earlier gives the first of two ends, where zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// pageLimit holds a caller's page size to what the lists give: 1 to 100.
func pageLimit(limit int) int { return min(max(limit, 1), 100) }

// refused is a well-formed request of which one field's value is not taken.
func refused(pointer, code, detail string) *Error {
	return &Error{Kind: Unprocessable, Code: code, Detail: detail, Fields: []FieldError{{pointer, detail}}}
}

// checkName refuses a name that people could not tell from another, or that would break a line of a log: it is 1 to 100
// printable characters, single spaces inside among them.
func checkName(pointer, name string) error {
	switch {
	case name == "":
		return refused(pointer, "invalid_name", "a name is required")
	case !utf8.ValidString(name):
		return refused(pointer, "invalid_name", "the name is not valid UTF-8")
	case utf8.RuneCountInString(name) > 100:
		return refused(pointer, "invalid_name", "the name is longer than 100 characters")
	case strings.TrimSpace(name) != name || strings.Contains(name, "  "):
		return refused(pointer, "invalid_name", "the name begins or ends with a space, or holds two in a row")
	}
	for _, c := range name {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return refused(pointer, "invalid_name", "the name holds a character that does not show")
		}
	}
	return nil
}
