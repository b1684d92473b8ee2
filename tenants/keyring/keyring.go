package keyring

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Ring holds what one deployment keeps to itself: a random root secret, sealed in the table, made once by whichever
// process starts first. From it follow the keys (HKDF, RFC 5869) that tell our own source tokens, kids and cursors from
// junk without looking anything up. It never prints.
type Ring struct{ sources, kids, cursors, challenges, reports DerivedKey }

type rootRecord struct{ Sealed []byte }

const deploymentPurpose = "deployment-root"

// Open loads the deployment's root secret, or makes it.
func Open(ctx context.Context, t tenants.Table, v tenants.Vault) (*Ring, error) {
	at := tenants.Key{Tenant: tenants.System, Kind: rowDeployment}
	row, err := t.Get(ctx, at)
	if err != nil && tenants.KindOf(err) == tenants.NotFound {
		root := make([]byte, 32)
		rand.Read(root)
		var sealed []byte
		if sealed, err = v.Seal(ctx, tenants.System, deploymentPurpose, root); err != nil {
			return nil, err
		}
		err = t.Write(ctx, tenants.Put(at, record.Encode(rootRecord{sealed}), time.Time{}, tenants.Absent()))
		if _, taken := errors.AsType[*tenants.RefusedError](err); err != nil && !taken {
			return nil, err
		}
		row, err = t.Get(ctx, at) // ours, or that of a process that was quicker
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

// Sources is the key that the tokens of sources' URLs are told by.
func (d *Ring) Sources() DerivedKey { return d.sources }

// Kids is the key that the kids of signers are told by.
func (d *Ring) Kids() DerivedKey { return d.kids }

// Challenges is the key that endpoints' ownership challenges follow from.
func (d *Ring) Challenges() DerivedKey { return d.challenges }

// Reports is the key that job report tokens follow from.
func (d *Ring) Reports() DerivedKey { return d.reports }

// DerivedKey is one of the keys that follow from a deployment's root secret. The zero DerivedKey is of no deployment.
type DerivedKey struct{ secret []byte }

// checksumChars of a keyed checksum are 50 bits: a guess passes once in 10^15.
const checksumChars = 10

// Checksum returns the keyed checksum of text: 10 characters of Crockford's base 32.
func (k DerivedKey) Checksum(text string) string {
	return tenants.Crockford.EncodeToString(k.MAC(text))[:checksumChars]
}

// CutChecksum takes the checksum off the end of text, which has chars characters before it, if it is right.
func (k DerivedKey) CutChecksum(text string, chars int) (rest string, ok bool) {
	if len(text) != chars+checksumChars {
		return "", false
	}
	rest = text[:chars]
	return rest, SameText(text[chars:], k.Checksum(rest))
}

// MAC returns the HMAC-SHA-256 of the parts, whose borders count.
func (k DerivedKey) MAC(parts ...string) []byte {
	sum := tenants.HashParts(parts...)
	h := hmac.New(sha256.New, k.secret)
	h.Write(sum[:])
	return h.Sum(nil)
}

// Cursors makes the opaque cursors of lists. A cursor is bound to the tenant and the list it was made for; a changed or a
// foreign one does not open.
type Cursors struct{ key DerivedKey }

// Cursors returns the deployment's.
func (d *Ring) Cursors() Cursors { return Cursors{d.cursors} }

const (
	cursorMAC     = 16
	maxListCursor = 1024
)

// Seal makes the cursor for position, which it does not hide. route names the list with everything that selects from it.
func (c Cursors) Seal(t tenants.TenantID, route, position string) string {
	tag := c.key.MAC(string(t), route, position)[:cursorMAC]
	return base64.RawURLEncoding.EncodeToString(append(tag, position...))
}

// Open is the inverse of Seal. What Seal did not make for this tenant and route: Invalid invalid_cursor.
func (c Cursors) Open(t tenants.TenantID, route, cursor string) (position string, err error) {
	bad := tenants.Errorf(tenants.Invalid, "invalid_cursor", "the cursor is not one that this list gave out")
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

const rowDeployment tenants.Kind = "deployment" // sys, ""
