package tenants

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// TenantID is a tenant's id: "ten_" and 26 characters. It has a type of its own so that no other string can be passed
// in its place.
type TenantID string

// System owns the rows that belong to no tenant: look-ups by key hash and source token, nodes, the list of tenants. It
// never equals a tenant's id, and no request can name it.
const System TenantID = "sys"

// Prefixes of ids. An id is a prefix and IDChars characters of lower-case Crockford base 32, so that it is valid as a
// channel segment, a URL segment and a Standard Webhooks message id.
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

// IDChars is the number of characters after an id's prefix: 128 bits, five to a character.
const IDChars = 26

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// Crockford is Douglas Crockford's base 32 in lower case, without padding. The order of the bytes is the order of the
// texts.
var Crockford = base32.NewEncoding(crockford).WithPadding(base32.NoPadding)

// NewID returns a new id under prefix. Later ids sort later, to the millisecond; 80 bits are random (ULID,
// https://github.com/ulid/spec).
func NewID(prefix string) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	rand.Read(b[6:])
	return prefix + EncodeID(b)
}

// DerivedID returns an id that depends on parts alone: equal parts give equal ids.
func DerivedID(prefix string, parts ...string) string {
	sum := HashParts(parts...)
	return prefix + EncodeID([16]byte(sum[:16]))
}

// HashParts returns a SHA-256 hash of parts. Each part is hashed with its length, so that ("a", "bc") and ("ab", "c")
// differ.
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

// EncodeID returns 128 bits as IDChars characters. The two spare bits come first, so that the order of the bytes is
// kept.
func EncodeID(b [16]byte) string {
	var wide [20]byte // 160 bits are 32 characters: the last 26 hold the low 130 bits
	copy(wide[4:], b[:])
	return Crockford.EncodeToString(wide[:])[6:]
}

// ValidID reports whether s is a well-formed id under prefix. It says nothing about whether the object exists.
func ValidID(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	return ok && len(rest) == IDChars && strings.Trim(rest, crockford) == ""
}

// IDTime returns when NewID made the id, to the millisecond; false if id is not an id under prefix.
func IDTime(prefix, id string) (time.Time, bool) {
	if !ValidID(prefix, id) {
		return time.Time{}, false
	}
	b, err := Crockford.DecodeString("000000" + id[len(prefix):])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[4:12]) >> 16)), err == nil
}
