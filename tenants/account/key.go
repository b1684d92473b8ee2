package account

import (
	"hash/crc32"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/record"
)

// APIKey is what is stored of an API key: all but the key.
type APIKey struct {
	ID      string
	Tenant  tenants.TenantID
	Name    string
	Role    string // RoleOwner, RoleAdmin, RolePublisher, RoleViewer, RoleSigner; RoleOperator under System
	KID     string // of a signer: the kid that its tokens carry
	Hash    string // hex SHA-256 of the key; "" with a signer, whose secret is sealed instead
	Created time.Time
	Expires time.Time // zero: never; set when it has been rotated
}

// KeySpec is what a caller chooses of a new key.
type KeySpec struct {
	Name string // 1 to 100 printable characters
	Role string
}

// keyLookup is how a key that comes in is found: by its hash, in one read.
type keyLookup struct {
	Tenant  tenants.TenantID
	ID      string
	Role    string
	Expires time.Time
}

// A key is "hk_live_", the 26 characters of its id, "_", 43 random ones (256 bits) and 6 of checksum, which catch a typo or a
// truncated paste before anything is looked up, and let secret scanners be sure (the form that GitHub's tokens have:
// https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/).
const (
	livePrefix     = "hk_live_"
	operatorPrefix = "hk_oper_"
	signerPrefix   = "hk_sign_"
	keyRandom      = 43
	keyChecksum    = 6
	keyLength      = len(livePrefix) + tenants.IDChars + 1 + keyRandom + keyChecksum
)

// CheckKeyFormat tells whether text can be a key at all, by its form and checksum alone. If not: Unauthenticated
// api_key_malformed.
func CheckKeyFormat(text string) error {
	bad := tenants.Errorf(tenants.Unauthenticated, "api_key_malformed", "this is not a whole API key: it begins with hk_, is 84 characters long and ends in a checksum")
	if len(text) != keyLength || !strings.HasPrefix(text, livePrefix) && !strings.HasPrefix(text, operatorPrefix) {
		return bad
	}
	body, sum := text[:keyLength-keyChecksum], text[keyLength-keyChecksum:]
	if keySum(body) != sum {
		return bad
	}
	return nil
}

// IsKey tells whether text looks like one of our keys, whole or not; for those who must refuse to see one where it would leak.
func IsKey(text string) bool {
	return strings.HasPrefix(text, livePrefix) || strings.HasPrefix(text, operatorPrefix) || strings.HasPrefix(text, signerPrefix)
}

// NewOperatorKey makes an operator's key, for Keys.EnsureOperator.
func NewOperatorKey() string { return keyText(operatorPrefix, tenants.NewID(tenants.PrefixKey)) }

// OperatorKeyHash returns what a deployment is given in the place of the operator's key: its SHA-256 in hexadecimal. What is no operator's
// key: Unauthenticated api_key_malformed, Invalid invalid_operator_key.
func OperatorKeyHash(text string) (string, error) {
	if err := CheckKeyFormat(text); err != nil {
		return "", err
	}
	if !strings.HasPrefix(text, operatorPrefix) {
		return "", tenants.Errorf(tenants.Invalid, "invalid_operator_key", "an operator's key begins with "+operatorPrefix)
	}
	return keyring.HashText(text), nil
}

// newAPIKey makes a key that is not a signer, and its text.
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

// keySum is the CRC-32 of body in base 62.
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

// puts writes the key and, unless it is a signer, the row by which it is found. Both leave with it.
func (k APIKey) puts(c tenants.Condition) []tenants.Op {
	ops := []tenants.Op{tenants.Put(k.row(), record.Encode(k), k.Expires, c)}
	if k.Hash != "" {
		ops = append(ops, tenants.Put(k.lookup(), record.Encode(keyLookup{k.Tenant, k.ID, k.Role, k.Expires}), k.Expires, c))
	}
	return ops
}

func (k APIKey) deletes() []tenants.Op {
	ops := []tenants.Op{tenants.Delete(k.row(), tenants.Anything())}
	if k.Hash != "" {
		ops = append(ops, tenants.Delete(k.lookup(), tenants.Anything()))
	}
	return ops
}
