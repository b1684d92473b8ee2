package tenants

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"strings"
	"time"
)

// APIKey is what is stored of an API key: all but the key.
type APIKey struct {
	ID      string
	Tenant  TenantID
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
	Tenant  TenantID
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
	keyLength      = len(livePrefix) + idChars + 1 + keyRandom + keyChecksum
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// CheckKeyFormat tells whether text can be a key at all, by its form and checksum alone. If not: Unauthenticated
// api_key_malformed.
func CheckKeyFormat(text string) error {
	bad := Errorf(Unauthenticated, "api_key_malformed", "this is not a whole API key: it begins with hk_, is 84 characters long and ends in a checksum")
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
func NewOperatorKey() string { return keyText(operatorPrefix, NewID(PrefixKey)) }

// OperatorKeyHash returns what a deployment is given in the place of the operator's key: its SHA-256 in hexadecimal. What is no operator's
// key: Unauthenticated api_key_malformed, Invalid invalid_operator_key.
func OperatorKeyHash(text string) (string, error) {
	if err := CheckKeyFormat(text); err != nil {
		return "", err
	}
	if !strings.HasPrefix(text, operatorPrefix) {
		return "", Errorf(Invalid, "invalid_operator_key", "an operator's key begins with "+operatorPrefix)
	}
	return hashText(text), nil
}

// newAPIKey makes a key that is not a signer, and its text.
func newAPIKey(tenant TenantID, spec KeySpec, now time.Time) (APIKey, string) {
	k := APIKey{ID: NewID(PrefixKey), Tenant: tenant, Name: spec.Name, Role: spec.Role, Created: now}
	text := keyText(livePrefix, k.ID)
	k.Hash = hashText(text)
	return k, text
}

func keyText(prefix, id string) string {
	body := prefix + strings.TrimPrefix(id, PrefixKey) + "_" + randomText(keyRandom)
	return body + keySum(body)
}

// keySum is the CRC-32 of body in base 62.
func keySum(body string) string {
	n := crc32.ChecksumIEEE([]byte(body))
	var b [keyChecksum]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = base62[n%62]
		n /= 62
	}
	return string(b[:])
}

// randomText gives n characters of base 62, each as likely as any.
func randomText(n int) string {
	out := make([]byte, 0, n)
	var b [64]byte
	for {
		rand.Read(b[:])
		for _, c := range b {
			if c >= 248 { // 4 × 62
				continue
			}
			if out = append(out, base62[c%62]); len(out) == n {
				return string(out)
			}
		}
	}
}

// hashText is the name under which a secret text is looked up. The text has 128 random bits at least, so a plain hash tells
// nothing about it, and how long a look-up by hash takes tells nothing about other texts.
func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (k APIKey) row() Key { return Key{k.Tenant, rowKeys, k.ID} }

func (k APIKey) lookup() Key { return Key{System, rowKey, k.Hash} }

// puts writes the key and, unless it is a signer, the row by which it is found. Both leave with it.
func (k APIKey) puts(c Condition) []Op {
	ops := []Op{Put(k.row(), encodeRecord(k), k.Expires, c)}
	if k.Hash != "" {
		ops = append(ops, Put(k.lookup(), encodeRecord(keyLookup{k.Tenant, k.ID, k.Role, k.Expires}), k.Expires, c))
	}
	return ops
}

func (k APIKey) deletes() []Op {
	ops := []Op{Delete(k.row(), Anything())}
	if k.Hash != "" {
		ops = append(ops, Delete(k.lookup(), Anything()))
	}
	return ops
}
