package tenants

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Row is a record as it is stored. The domain encodes Body; an adapter may compress it, and never interprets it.
type Row struct {
	Key
	Version int64     // set by the Table; grows with each put while the row is physically present
	Body    []byte    // at most 390 KB
	Expires time.Time // zero: never. Rounded up to the second. After it the row counts as absent
}

// Key names a row. The tenant is its first part, so that a read across tenants cannot be expressed.
type Key struct {
	Tenant TenantID
	Kind   Kind
	Sort   string // bytes 0x20 to 0x7e; "" for point kinds with one row
}

// Kind names a sort of row. An ordered kind contains a slash ("log/orders.42", "list/sources"): its rows are one
// sequence by Sort and can be queried. A point kind ("evt", "head") does not: its rows are spread by Sort and are
// read singly.
type Kind string

// Ordered reports whether the kind's rows can be queried.
func (k Kind) Ordered() bool { return strings.Contains(string(k), "/") }

// Kinds of rows that several packages use. Each other kind is declared by the package that owns its rows.
const (
	KindNodes       Kind = "list/nodes"       // System, the node's id: the lease of a live node; see package node
	KindRevocations Kind = "list/revocations" // tenant, the token or subject: a revocation; see package token
	KindPolicy      Kind = "policy"           // tenant, "": the tenant's own access rules; see package access
	kindVersion     Kind = "version"          // tenant, "": empty, put again by each change that nodes must notice
)

// VersionKey returns the key of the tenant's version row.
func VersionKey(tenant TenantID) Key { return Key{Tenant: tenant, Kind: kindVersion} }

// VersionOf returns the Version of the tenant's version row; 0 if there is no such row.
func VersionOf(ctx context.Context, t Table, tenant TenantID) (int64, error) {
	row, err := t.Get(ctx, VersionKey(tenant))
	if IsNotFound(err) {
		return 0, nil
	}
	return row.Version, err
}

// TenantKind is an ordered kind whose rows are deleted with their tenant. Each package lists its own for the one that
// erases tenants.
type TenantKind struct {
	Kind   Kind
	AtOnce bool // secrets and look-ups of them: deleted before the request is answered. Other rows are erased later
	// Lookups returns the keys of the System rows by which the record in row is found. It is nil if there are none.
	Lookups func(row Row) ([]Key, error)
}

// Change is one row that was written or removed. Row is as it was then or later; a Deleted row has only a Key.
type Change struct {
	Row     Row
	Deleted bool
}

// VersionTenant returns the tenant of a version row that was put; false for any other change.
func (c Change) VersionTenant() (TenantID, bool) {
	return c.Row.Tenant, !c.Deleted && c.Row.Key == VersionKey(c.Row.Tenant)
}

// Range selects rows of one ordered kind by their Sort.
type Range struct {
	Tenant   TenantID
	Kind     Kind
	After    string // only rows with a greater Sort; "": from the start
	Before   string // only rows with a smaller Sort; "": to the end
	Backward bool   // the greatest Sort first
	Limit    int    // the largest number of rows, 1 to 1,000
}

// Op is one step of a Write: a put, a delete or a check of one row.
type Op struct {
	Row    Row // its Version is ignored
	If     Condition
	Action Action
}

// Action is what an Op does if its condition holds.
type Action int

// Actions of an Op.
const (
	ActionPut Action = iota
	ActionDelete
	ActionCheck
)

// Put writes body at k. The row's version becomes 1 under Absent, v+1 under At(v), and grows under Anything.
func Put(k Key, body []byte, expires time.Time, c Condition) Op {
	return Op{Row: Row{Key: k, Body: body, Expires: expires}, If: c}
}

// Delete removes the row at k. Under Anything it succeeds even if there is no row.
func Delete(k Key, c Condition) Op { return Op{Row: Row{Key: k}, If: c, Action: ActionDelete} }

// Check changes nothing, and fails the Write if c does not hold.
func Check(k Key, c Condition) Op { return Op{Row: Row{Key: k}, If: c, Action: ActionCheck} }

// Condition is what an Op requires of its row.
type Condition struct {
	absent, at bool
	version    int64 // if at
}

// Anything is the condition that always holds.
func Anything() Condition { return Condition{} }

// Absent requires that the row does not exist or has expired.
func Absent() Condition { return Condition{absent: true} }

// At requires that the row has version v and has not expired. A version must not be kept longer than its row lives.
func At(v int64) Condition { return Condition{at: true, version: v} }

// IsAbsent reports whether the condition is Absent.
func (c Condition) IsAbsent() bool { return c.absent }

// Version returns the version that At requires; false for other conditions.
func (c Condition) Version() (v int64, ok bool) { return c.version, c.at }

// RefusedError is returned by a Write that changed nothing because the condition of an Op did not hold.
type RefusedError struct {
	Op int // the index of the first such Op
}

func (e *RefusedError) Error() string { return "the row is not as the write requires" }

// IsRefused reports whether err is a RefusedError: a Write lost a race and changed nothing. It has nothing to do with
// Refused, the constructor of errors about a request's field.
func IsRefused(err error) bool {
	_, ok := errors.AsType[*RefusedError](err)
	return ok
}
