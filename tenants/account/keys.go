package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/record"
)

// MaxKeys is the number of keys that a tenant can have at a time, expiring ones included.
const MaxKeys = 100

// MaxKeyOverlap is the longest time for which a rotated key can keep working.
const MaxKeyOverlap = 7 * 24 * time.Hour

// Keys keeps API keys. It stores the hash of a key, never the key.
type Keys struct {
	accounts *Accounts
	signers  *Signers
	found    *cache.Cache[[sha256.Size]byte, tenants.Principal]
	live     *cache.Cache[keyID, APIKey]
}

// keyID is the id of a key, or the kid of a signer, of a tenant.
type keyID struct {
	tenant tenants.TenantID
	id     string
}

// NewKeys returns a Keys.
func NewKeys(a *Accounts, s *Signers) *Keys {
	return &Keys{
		accounts: a, signers: s,
		found: cache.New[[sha256.Size]byte, tenants.Principal](cache.ReadTTL, 10_000, 1_000),
		live:  cache.New[keyID, APIKey](cache.ReadTTL, 10_000, 1_000),
	}
}

// Create creates a key and returns its secret, which is not shown again. With RoleSigner the secret is the HS256 key
// (the bytes of the text) that the tenant's backend signs tokens with, under the returned key's KID. Refused values:
// Unprocessable. More than MaxKeys: TooMany key_limit.
func (k *Keys) Create(ctx context.Context, tenant tenants.TenantID, spec KeySpec) (APIKey, string, error) {
	if err := tenants.CheckName("/name", spec.Name); err != nil {
		return APIKey{}, "", err
	}
	switch spec.Role {
	case tenants.RoleOwner, tenants.RoleAdmin, tenants.RolePublisher, tenants.RoleViewer, tenants.RoleSigner:
	default:
		return APIKey{}, "", tenants.Refused("/role", "role_unknown",
			"the role must be owner, admin, publisher, viewer or signer")
	}
	var made APIKey
	var secret string
	err := k.accounts.Change(ctx, tenant, func(tenants.Tenant) (ops []tenants.Op, err error) {
		have, err := k.all(ctx, tenant)
		if err != nil {
			return nil, err
		}
		if len(have) >= MaxKeys {
			return nil, tenants.Errorf(tenants.TooMany, "key_limit",
				"an account can have at most 100 keys; delete one first")
		}
		made, secret, ops, err = k.make(ctx, tenant, spec)
		return ops, err
	})
	if err != nil {
		return APIKey{}, "", err
	}
	return made, secret, nil
}

func (k *Keys) make(ctx context.Context, tenant tenants.TenantID, spec KeySpec) (APIKey, string, []tenants.Op, error) {
	made, secret := newAPIKey(tenant, spec, time.Now().UTC().Truncate(time.Second))
	if spec.Role != tenants.RoleSigner {
		return made, secret, made.puts(tenants.Absent()), nil
	}
	made.Hash, made.KID = "", k.signers.kid(tenant, made.ID)
	secret = signerPrefix + keyring.RandomText(keyRandom)
	put, err := k.signers.put(ctx, tenant, made.KID, secret, tenants.Absent())
	return made, secret, append(made.puts(tenants.Absent()), put), err
}

// all returns every key of the tenant in one query.
func (k *Keys) all(ctx context.Context, tenant tenants.TenantID) ([]APIKey, error) {
	list, _, err := record.List[APIKey](ctx, k.accounts.table, tenant, rowKeys, "", 1000)
	return list, err
}

// List returns up to limit (1 to 100) keys after the id after, oldest first, and the after of the next page: "" at
// the end.
func (k *Keys) List(ctx context.Context, tenant tenants.TenantID, after string, limit int) ([]APIKey, string, error) {
	return record.List[APIKey](ctx, k.accounts.table, tenant, rowKeys, after, record.PageLimit(limit))
}

// Get returns one key. Unknown: NotFound key_not_found.
func (k *Keys) Get(ctx context.Context, tenant tenants.TenantID, id string) (APIKey, error) {
	if !tenants.ValidID(tenants.PrefixKey, id) {
		return APIKey{}, keyNotFound()
	}
	return record.Read[APIKey](ctx, k.accounts.table, APIKey{Tenant: tenant, ID: id}.row(), keyNotFound().Code,
		keyNotFound().Detail)
}

// Live is Get with an answer that is up to 5 s old, for the many streams of one key. An expired key: NotFound.
func (k *Keys) Live(ctx context.Context, tenant tenants.TenantID, id string) (APIKey, error) {
	key, err := k.live.Get(ctx, keyID{tenant, id}, func(ctx context.Context) (APIKey, error) {
		return k.Get(ctx, tenant, id)
	})
	if err == nil && tenants.Ended(key.Expires, time.Now()) {
		return APIKey{}, keyNotFound()
	}
	return key, err
}

func keyNotFound() *tenants.Error {
	return tenants.Errorf(tenants.NotFound, "key_not_found", "there is no such key")
}

// Rotate creates a key with the same name and role. The old one keeps working for overlap (0 to MaxKeyOverlap). A key
// that has been rotated already: Conflict key_rotated.
func (k *Keys) Rotate(ctx context.Context, tenant tenants.TenantID, id string, overlap time.Duration,
) (APIKey, string, error) {
	if overlap < 0 || overlap > MaxKeyOverlap {
		return APIKey{}, "", tenants.Refused("/overlap_seconds", "invalid_overlap",
			"the overlap must be 0 to 604800 seconds")
	}
	var made APIKey
	var secret string
	err := k.accounts.Change(ctx, tenant, func(tenants.Tenant) (ops []tenants.Op, err error) {
		old, err := k.Get(ctx, tenant, id)
		if err != nil {
			return nil, err
		}
		if !old.Expires.IsZero() {
			return nil, tenants.Errorf(tenants.Conflict, "key_rotated",
				"the key has been rotated already; rotate its successor")
		}
		if made, secret, ops, err = k.make(ctx, tenant, KeySpec{old.Name, old.Role}); err != nil {
			return nil, err
		}
		ending, err := k.end(ctx, old, overlap)
		return append(ops, ending...), err
	})
	if err != nil {
		return APIKey{}, "", err
	}
	k.Forget(tenant)
	return made, secret, nil
}

// end returns the ops after which a key works only for the time left.
func (k *Keys) end(ctx context.Context, old APIKey, left time.Duration) ([]tenants.Op, error) {
	if left == 0 {
		ops := old.deletes()
		if old.KID != "" {
			ops = append(ops, tenants.Delete(signerKey(old.Tenant, old.KID), tenants.Anything()))
		}
		return ops, nil
	}
	old.Expires = time.Now().UTC().Add(left).Truncate(time.Second)
	ops := old.puts(tenants.Anything())
	if old.KID != "" {
		op, err := k.signers.expire(ctx, old.Tenant, old.KID, old.Expires)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// Delete deletes a key at once. The last key of RoleOwner that does not expire: Conflict last_owner_key.
func (k *Keys) Delete(ctx context.Context, tenant tenants.TenantID, id string) error {
	err := k.accounts.Change(ctx, tenant, func(tenants.Tenant) ([]tenants.Op, error) {
		have, err := k.all(ctx, tenant)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(have, func(x APIKey) bool { return x.ID == id })
		if i < 0 {
			return nil, keyNotFound()
		}
		lasting := func(x APIKey) bool { return x.Role == tenants.RoleOwner && x.Expires.IsZero() }
		other := func(x APIKey) bool { return x.ID != id && lasting(x) }
		if lasting(have[i]) && !slices.ContainsFunc(have, other) {
			return nil, tenants.Errorf(tenants.Conflict, "last_owner_key",
				"the last owner key cannot be deleted: without it nobody could manage the account")
		}
		return k.end(ctx, have[i], 0)
	})
	if err == nil {
		k.Forget(tenant)
	}
	return err
}

// Authenticate returns the principal that the key text stands for. A malformed key is refused without I/O:
// Unauthenticated api_key_malformed. An unknown, deleted or expired key: Unauthenticated invalid_api_key. A key of a
// suspended tenant: Forbidden tenant_suspended, together with the principal. The answer can be up to 5 s old.
func (k *Keys) Authenticate(ctx context.Context, text string) (tenants.Principal, error) {
	if err := CheckKeyFormat(text); err != nil {
		return tenants.Principal{}, err
	}
	invalid := tenants.Errorf(tenants.Unauthenticated, "invalid_api_key", "the API key is unknown or no longer valid")
	sum := sha256.Sum256([]byte(text))
	p, err := k.found.Get(ctx, sum, func(ctx context.Context) (tenants.Principal, error) {
		at := APIKey{Hash: hex.EncodeToString(sum[:])}.lookup()
		found, err := record.Read[keyLookup](ctx, k.accounts.table, at, "", "")
		if err != nil {
			return tenants.Principal{}, err
		}
		return tenants.Principal{
			Tenant: found.Tenant, KeyID: found.ID, Roles: []string{found.Role}, Expires: found.Expires,
			Operator: found.Tenant == tenants.System && found.Role == tenants.RoleOperator,
		}, nil
	})
	if err == nil && !p.Operator {
		_, err = k.accounts.Active(ctx, p.Tenant)
	}
	switch {
	case tenants.IsNotFound(err) || tenants.Ended(p.Expires, time.Now()):
		return tenants.Principal{}, invalid
	case tenants.KindOf(err) == tenants.Forbidden:
		return p, err
	case err != nil:
		return tenants.Principal{}, err
	}
	return p, nil
}

// EnsureOperator makes text (from NewOperatorKey) the deployment's only operator key.
func (k *Keys) EnsureOperator(ctx context.Context, text string) error {
	hash, err := OperatorKeyHash(text)
	if err != nil {
		return err
	}
	id := strings.TrimPrefix(text, operatorPrefix)[:tenants.IDChars]
	return k.ensureOperator(ctx, tenants.PrefixKey+id, hash)
}

// EnsureOperatorHash is EnsureOperator for a caller that has only the key's SHA-256 in hexadecimal.
func (k *Keys) EnsureOperatorHash(ctx context.Context, hash string) error {
	if b, err := hex.DecodeString(hash); err != nil || len(b) != sha256.Size || hash != strings.ToLower(hash) {
		return tenants.Errorf(tenants.Invalid, "invalid_operator_key",
			"the hash of an operator key must be 64 characters of lower-case hexadecimal")
	}
	return k.ensureOperator(ctx, tenants.DerivedID(tenants.PrefixKey, "operator", hash), hash)
}

func (k *Keys) ensureOperator(ctx context.Context, id, hash string) error {
	have, err := k.all(ctx, tenants.System)
	if err != nil {
		return err
	}
	if len(have) == 1 && have[0].Hash == hash {
		return nil
	}
	key := APIKey{ID: id, Tenant: tenants.System, Name: "operator", Role: tenants.RoleOperator, Hash: hash,
		Created: time.Now().UTC().Truncate(time.Second)}
	ops := key.puts(tenants.Anything())
	for _, old := range have {
		if old.Hash != key.Hash {
			ops = append(ops, old.deletes()...)
		}
	}
	err = k.accounts.table.Write(ctx, ops...)
	k.Forget(tenants.System)
	return err
}

// Forget drops the tenant's cached keys and signers. Receivers of news call it.
func (k *Keys) Forget(tenant tenants.TenantID) {
	k.found.ForgetWhere(func(_ [sha256.Size]byte, p tenants.Principal) bool { return p.Tenant == tenant })
	k.live.ForgetWhere(func(id keyID, _ APIKey) bool { return id.tenant == tenant })
	k.signers.Forget(tenant)
}

const (
	rowKey  tenants.Kind = "key"       // sys, hex SHA-256 of the key
	rowKeys tenants.Kind = "list/keys" // {tenant}, key id
)
