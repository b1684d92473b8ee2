package tenants

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// TenantID is a tenant's id: "ten_" and 26 characters. It is a type of its own so that no other string can stand where
// a tenant is asked for.
type TenantID string

// System owns the rows that belong to no tenant: look-ups by key hash and source token, nodes, the list of tenants.
// No tenant's id can equal it, and no request can name it.
const System TenantID = "sys"

// Prefixes of ids. An id is a prefix and 26 characters of Crockford's base 32 in lower case, without a dot, so that it
// is a channel segment, a URL segment and a Standard Webhooks message id alike.
const (
	PrefixTenant     = "ten_"
	PrefixKey        = "key_"
	PrefixSource     = "src_"
	PrefixEndpoint   = "end_"
	PrefixProxy      = "prx_"
	PrefixSecret     = "sec_"
	PrefixEvent      = "evt_"
	PrefixDelivery   = "dlv_"
	PrefixJob        = "job_"
	PrefixReplay     = "rpl_"
	PrefixConnection = "con_"
	PrefixNode       = "nod_"
	PrefixToken      = "tok_"
	PrefixRequest    = "req_"
	PrefixAudit      = "aud_"
)

const IdChars = 26

var Crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns a fresh id under prefix. Ids made later sort later, to the millisecond; 80 bits are random (ULID,
// https://github.com/ulid/spec).
func NewID(prefix string) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	rand.Read(b[6:])
	return prefix + EncodeID(b)
}

// DerivedID returns the id that follows from parts: equal parts give an equal id. Each part is hashed with its length, so
// that ("a","bc") and ("ab","c") differ.
func DerivedID(prefix string, parts ...string) string {
	sum := HashParts(parts...)
	return prefix + EncodeID([16]byte(sum[:16]))
}

// ValidID tells whether s is a well-formed id under prefix. It says nothing about whether such a thing exists.
func ValidID(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || len(rest) != IdChars {
		return false
	}
	for i := range len(rest) {
		if strings.IndexByte("0123456789abcdefghjkmnpqrstvwxyz", rest[i]) < 0 {
			return false
		}
	}
	return true
}

// EncodeID writes 128 bits as 26 characters, the two spare bits in front, so that the order of the bytes is kept.
func EncodeID(b [16]byte) string {
	var wide [20]byte // 160 bits: 32 characters, of which the last 26 hold the 130 low bits
	copy(wide[4:], b[:])
	return Crockford.EncodeToString(wide[:])[6:]
}

func HashParts(parts ...string) [sha256.Size]byte {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// IdTime returns when NewID made the id, to the millisecond. false: it is no id under prefix.
func IdTime(prefix, id string) (time.Time, bool) {
	if !ValidID(prefix, id) {
		return time.Time{}, false
	}
	b, err := Crockford.DecodeString(strings.Repeat("0", 6) + id[len(prefix):])
	if err != nil {
		return time.Time{}, false
	}
	var ms int64
	for _, c := range b[4:10] {
		ms = ms<<8 | int64(c)
	}
	return time.UnixMilli(ms), true
}
