package dynamo

import (
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// Attributes of an item. Neither a tenant's id nor a kind contains a '#'.
const (
	AttrPartition = "pk"  // S: "tenant#kind" for an ordered kind, "tenant#kind#sort" for a point kind
	AttrSort      = "sk"  // S: the row's Sort for an ordered kind, "-" for a point kind
	AttrFamily    = "k"   // S: the kind up to its slash ("log", "evt"), for filters of the stream's consumers
	AttrVersion   = "v"   // N: the row's version
	AttrBody      = "b"   // B: the row's body, encoded
	AttrEncoding  = "z"   // N: encoding of the body; absent if not encoded, 1 for DEFLATE (RFC 1951)
	AttrExpires   = "ttl" // N: seconds since 1970; absent if the row never expires
)

// pointSort is the sort key of all rows of point kinds.
const pointSort = "-"

// Schema lists the settings that a table must be created with.
type Schema struct {
	PartitionKey, SortKey string // both of type S
	Expires               string // the attribute of TimeToLiveSpecification
	StreamView            string // StreamViewType
}

// TableSchema returns the schema that this package relies on.
func TableSchema() Schema {
	return Schema{PartitionKey: AttrPartition, SortKey: AttrSort, Expires: AttrExpires, StreamView: "NEW_IMAGE"}
}

// Family returns the value of a row's AttrFamily.
func Family(k tenants.Kind) string {
	family, _, _ := strings.Cut(string(k), "/")
	return family
}

func partition(t tenants.TenantID, k tenants.Kind) string { return string(t) + "#" + string(k) }

// encodeKey returns the partition and sort key of the row at k.
func encodeKey(k tenants.Key) (pk, sk string) {
	if k.Kind.Ordered() {
		return partition(k.Tenant, k.Kind), k.Sort
	}
	return partition(k.Tenant, k.Kind) + "#" + k.Sort, pointSort
}

// decodeKey is the inverse of encodeKey. It returns false for keys that encodeKey does not return.
func decodeKey(pk, sk string) (tenants.Key, bool) {
	tenant, rest, ok := strings.Cut(pk, "#")
	kind, sort, point := strings.Cut(rest, "#")
	k := tenants.Key{Tenant: tenants.TenantID(tenant), Kind: tenants.Kind(kind), Sort: sort}
	if !ok || tenant == "" || kind == "" || point == k.Kind.Ordered() || point && sk != pointSort {
		return tenants.Key{}, false
	}
	if !point {
		k.Sort = sk
	}
	return k, true
}
