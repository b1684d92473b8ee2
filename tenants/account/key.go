package account

import (
	"hash/crc32"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/record"
)

// APIKey is the stored record of an API key. It does not contain the key itself.
type APIKey struct {
	ID      string
	Tenant  tenants.TenantID
	Name    string
	Role    string // RoleOwner, RoleAdmin, RolePublisher, RoleViewer, RoleSigner; RoleOperator under System
	KID     string // of a signer: the kid of its tokens
	Hash    string // hex SHA-256 of the key; "" for a signer, whose secret is sealed instead
	Created time.Time
	Expires time.Time // zero: never; set by a rotation
}

// KeySpec holds the values of a new key that its creator chooses.
type KeySpec struct {
	Name string // 1 to 100 printable characters
	Role string
}

// keyLookup is the row by which a presented key is found by its hash, in one read.
type keyLookup struct {
	Tenant  tenants.TenantID
	ID      string
	Role    string
	Expires time.Time
}

// A key is "hk_live_", the 26 characters of its id, "_", 43 random characters (256 bits) and 6 characters of
// checksum. The checksum reveals a typo or a truncated paste without a read, and lets secret scanners be certain.
// GitHub's tokens have the same form:
// https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/.
const (
	livePrefix     = "hk_live_"
	operatorPrefix = "hk_oper_"
	signerPrefix   = "hk_sign_"
	keyRandom      = 43
	keyChecksum    = 6
	keyLength      = len(livePrefix) + tenants.IDChars + 1 + keyRandom + keyChecksum
)

// CheckKeyFormat checks the form and the checksum of a key without a read. Not a key: Unauthenticated
// api_key_malformed.
func CheckKeyFormat(text string) error {
	const body = keyLength - keyChecksum
	if len(text) != keyLength || !strings.HasPrefix(text, livePrefix) && !strings.HasPrefix(text, operatorPrefix) ||
		keySum(text[:body]) != text[body:] {
		return tenants.Errorf(tenants.Unauthenticated, "api_key_malformed",
			"the API key is malformed: it must begin with hk_, have 84 characters and end in a valid checksum")
	}
	return nil
}

// IsKey reports whether text begins like one of our keys. Callers use it to refuse a key where it would leak, such as
// in a URL.
func IsKey(text string) bool {
	return strings.HasPrefix(text, livePrefix) || strings.HasPrefix(text, operatorPrefix) ||
		strings.HasPrefix(text, signerPrefix)
}

// NewOperatorKey returns a random operator key, for Keys.EnsureOperator.
func NewOperatorKey() string { return keyText(operatorPrefix, tenants.NewID(tenants.PrefixKey)) }

// OperatorKeyHash returns the SHA-256 of an operator key in hexadecimal, which a deployment is given instead of the
// key. Not a key: Unauthenticated api_key_malformed; a tenant's key: Invalid invalid_operator_key.
func OperatorKeyHash(text string) (string, error) {
	if err := CheckKeyFormat(text); err != nil {
		return "", err
	}
	if !strings.HasPrefix(text, operatorPrefix) {
		return "", tenants.Errorf(tenants.Invalid, "invalid_operator_key",
			"an operator key must begin with "+operatorPrefix)
	}
	return keyring.HashText(text), nil
}

// newAPIKey returns a new key that is not a signer, and its text.
func newAPIKey(tenant tenants.TenantID, spec KeySpec, now time.Time) (APIKey, string) {
	k := APIKey{ID: tenants.NewID(tenants.PrefixKey), Tenant: tenant, Name: spec.Name, Role: spec.Role, Created: now}
	text := keyText(livePrefix, k.ID)
	k.Hash = keyring.HashText(text)
	return k, text
}

func keyText(prefix, id string) string {
	body := prefix + strings.TrimPrefix(id, tenants.PrefixKey) + "_" + keyring.RandomText(keyRandom)
	return body + keySum(body)
}

// keySum returns the CRC-32 of body in base 62.
func keySum(body string) string {
	n := crc32.ChecksumIEEE([]byte(body))
	var b [keyChecksum]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = keyring.Base62[n%62]
		n /= 62
	}
	return string(b[:])
}

func (k APIKey) row() tenants.Key { return tenants.Key{Tenant: k.Tenant, Kind: rowKeys, Sort: k.ID} }

func (k APIKey) lookup() tenants.Key {
	return tenants.Key{Tenant: tenants.System, Kind: rowKey, Sort: k.Hash}
}

// puts returns the ops that write the key and, unless it is a signer, the row by which it is found.
func (k APIKey) puts(c tenants.Condition) []tenants.Op {
	ops := []tenants.Op{tenants.Put(k.row(), record.Encode(k), k.Expires, c)}
	if k.Hash != "" {
		ops = append(ops, tenants.Put(k.lookup(), record.Encode(keyLookup{k.Tenant, k.ID, k.Role, k.Expires}),
			k.Expires, c))
	}
	return ops
}

// deletes returns the ops that undo puts.
func (k APIKey) deletes() []tenants.Op {
	ops := []tenants.Op{tenants.Delete(k.row(), tenants.Anything())}
	if k.Hash != "" {
		ops = append(ops, tenants.Delete(k.lookup(), tenants.Anything()))
	}
	return ops
}
