package keyring

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Ring holds the keys of one deployment, derived from its root secret with HKDF (RFC 5869). It never prints.
type Ring struct{ sources, kids, cursors, challenges, reports DerivedKey }

const rowDeployment tenants.Kind = "deployment"

const deploymentPurpose = "deployment-root"

// rootRecord is the body of the row of rowDeployment.
type rootRecord struct{ Sealed []byte }

// Open returns the Ring of the deployment whose table is t. It makes the root secret if there is none yet.
func Open(ctx context.Context, t tenants.Table, v tenants.Vault) (*Ring, error) {
	at := tenants.Key{Tenant: tenants.System, Kind: rowDeployment}
	row, err := t.Get(ctx, at)
	if tenants.IsNotFound(err) {
		root := make([]byte, 32)
		rand.Read(root)
		var sealed []byte
		if sealed, err = v.Seal(ctx, tenants.System, deploymentPurpose, root); err != nil {
			return nil, err
		}
		err = t.Write(ctx, tenants.Put(at, record.Encode(rootRecord{sealed}), time.Time{}, tenants.Absent()))
		if err != nil && !tenants.IsRefused(err) {
			return nil, err
		}
		row, err = t.Get(ctx, at) // ours, or that of a process that was first
	}
	if err != nil {
		return nil, err
	}
	record, err := record.Decode[rootRecord](row)
	if err != nil {
		return nil, err
	}
	root, err := v.Open(ctx, tenants.System, deploymentPurpose, record.Sealed)
	if err != nil {
		return nil, err
	}
	d := &Ring{}
	for _, k := range []struct {
		key  *DerivedKey
		info string
	}{
		{&d.sources, "hookcast source token checksum"},
		{&d.kids, "hookcast kid checksum"},
		{&d.cursors, "hookcast list cursor"},
		{&d.challenges, "hookcast endpoint challenge"},
		{&d.reports, "hookcast job report"},
	} {
		if k.key.secret, err = hkdf.Key(sha256.New, root, nil, k.info, 32); err != nil {
			return nil, tenants.Errorf(tenants.Internal, "hkdf", "%w", err)
		}
	}
	return d, nil
}

// String hides the keys.
func (d *Ring) String() string { return "[deployment]" }

// GoString hides the keys.
func (d *Ring) GoString() string { return "[deployment]" }

// Sources returns the key of the checksums in the tokens of source URLs.
func (d *Ring) Sources() DerivedKey { return d.sources }

// Kids returns the key of the checksums in signers' key ids (kid).
func (d *Ring) Kids() DerivedKey { return d.kids }

// Challenges returns the key of endpoints' ownership challenges.
func (d *Ring) Challenges() DerivedKey { return d.challenges }

// Reports returns the key of job report tokens.
func (d *Ring) Reports() DerivedKey { return d.reports }

// DerivedKey is a key derived from a deployment's root secret. The zero DerivedKey belongs to no deployment.
type DerivedKey struct{ secret []byte }

// checksumChars is the length of a keyed checksum, 50 bits: one guess in 10^15 passes.
const checksumChars = 10

// Checksum returns the keyed checksum of text: 10 characters of Crockford's base 32.
func (k DerivedKey) Checksum(text string) string {
	return tenants.Crockford.EncodeToString(k.MAC(text))[:checksumChars]
}

// CutChecksum returns text without the checksum at its end, if that is right and chars characters precede it.
func (k DerivedKey) CutChecksum(text string, chars int) (rest string, ok bool) {
	if len(text) != chars+checksumChars {
		return "", false
	}
	rest = text[:chars]
	return rest, SameText(text[chars:], k.Checksum(rest))
}

// MAC returns the HMAC-SHA-256 of the parts. Parts that are split in other places have another MAC.
func (k DerivedKey) MAC(parts ...string) []byte {
	sum := tenants.HashParts(parts...)
	h := hmac.New(sha256.New, k.secret)
	h.Write(sum[:])
	return h.Sum(nil)
}

// Cursors makes the opaque cursors of lists. A cursor is bound to its tenant and list: a changed one, or one of
// another list, does not open.
type Cursors struct{ key DerivedKey }

// Cursors returns the maker of the deployment's list cursors.
func (d *Ring) Cursors() Cursors { return Cursors{d.cursors} }

const (
	cursorMAC     = 16   // bytes at a cursor's start
	maxListCursor = 1024 // characters
)

// Seal returns the cursor for position, which it authenticates and does not hide. route names the list and its filters.
func (c Cursors) Seal(t tenants.TenantID, route, position string) string {
	tag := c.key.MAC(string(t), route, position)[:cursorMAC]
	return base64.RawURLEncoding.EncodeToString(append(tag, position...))
}

// Open is the inverse of Seal. A cursor that Seal did not make for this tenant and route: Invalid invalid_cursor.
func (c Cursors) Open(t tenants.TenantID, route, cursor string) (position string, err error) {
	bad := tenants.Errorf(tenants.Invalid, "invalid_cursor", "the cursor must be one that this list returned")
	if len(cursor) > maxListCursor || strings.ContainsAny(cursor, "\r\n") { // line breaks, which the decoder would skip
		return "", bad
	}
	b, derr := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if derr != nil || len(b) < cursorMAC {
		return "", bad
	}
	position = string(b[cursorMAC:])
	if !hmac.Equal(b[:cursorMAC], c.key.MAC(string(t), route, position)[:cursorMAC]) {
		return "", bad
	}
	return position, nil
}

// SameText reports whether a and b are equal, in a time that depends on their lengths only.
func SameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Base62 is the alphabet of RandomText.
const Base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// RandomText returns n random characters of base 62, all equally likely.
func RandomText(n int) string {
	out := make([]byte, 0, n)
	var b [64]byte
	for {
		rand.Read(b[:])
		for _, c := range b {
			if c >= 248 { // 4 × 62: the rest of a byte would favour some characters
				continue
			}
			if out = append(out, Base62[c%62]); len(out) == n {
				return string(out)
			}
		}
	}
}

// HashText returns the SHA-256 of a secret text in hex: the key under which its row is found. The text must have at
// least 128 random bits, so that the plain hash reveals nothing, and neither does the time that a look-up takes.
func HashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
