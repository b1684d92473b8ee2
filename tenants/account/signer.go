package account

import (
	"context"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/record"
)

const rowSigning tenants.Kind = "list/signing" // {tenant}, kid

// Signers keeps the HS256 keys that tokens are signed with: one per tenant that is ours and made when first needed, and one
// for each API key of RoleSigner, which the tenant's backend holds. They are sealed at rest.
type Signers struct {
	accounts   *Accounts
	vault      tenants.Vault
	deployment *keyring.Ring
	found      *cache.Cache[signerID, Signer]
}

// Signer is a key that tokens are signed with.
type Signer struct {
	Tenant  tenants.TenantID
	KID     string
	Key     []byte
	Own     bool      // the tenant's backend holds it too
	Expires time.Time // zero: never
}

// String hides the key.
func (s Signer) String() string { return "[signer " + s.KID + "]" }

// GoString hides the key.
func (s Signer) GoString() string { return s.String() }

type signerID struct {
	tenant tenants.TenantID
	kid    string
}

type signerRecord struct {
	Sealed  []byte
	Expires time.Time
}

// NewSigners makes a Signers.
func NewSigners(a *Accounts, v tenants.Vault, d *keyring.Ring) *Signers {
	return &Signers{accounts: a, vault: v, deployment: d, found: cache.New[signerID, Signer](cache.ReadTTL, 10_000, 0)}
}

// A kid is the 26 characters of the tenant's id, those of the API key's (of ours: zeros) and a keyed checksum, so that it
// names its row by itself and one that we did not make costs no look-up.
func (s *Signers) kid(tenant tenants.TenantID, key string) string {
	body := strings.TrimPrefix(string(tenant), tenants.PrefixTenant) + strings.TrimPrefix(key, tenants.PrefixKey)
	return body + s.deployment.Kids().Checksum(body)
}

const ourKeyID = tenants.PrefixKey + "00000000000000000000000000"

// Find returns the signer of that kid. One that this deployment did not make: Unauthenticated token_unknown_key, without I/O;
// one that is gone or expired: likewise.
func (s *Signers) Find(ctx context.Context, kid string) (Signer, error) {
	unknown := tenants.Errorf(tenants.Unauthenticated, "token_unknown_key", "the token's kid names no key of this deployment")
	body, ok := s.deployment.Kids().CutChecksum(kid, 2*tenants.IDChars)
	if !ok {
		return Signer{}, unknown
	}
	found, err := s.load(ctx, tenants.TenantID(tenants.PrefixTenant+body[:tenants.IDChars]), kid)
	if err != nil && tenants.KindOf(err) == tenants.NotFound || err == nil && !found.Expires.IsZero() && !time.Now().Before(found.Expires) {
		return Signer{}, unknown
	}
	return found, err
}

// Ours returns the key that we sign the tenant's tokens with, and makes it where there is none.
func (s *Signers) Ours(ctx context.Context, tenant tenants.TenantID) (Signer, error) {
	kid := s.kid(tenant, ourKeyID)
	found, err := s.load(ctx, tenant, kid)
	if err == nil || tenants.KindOf(err) != tenants.NotFound {
		return found, err
	}
	err = s.accounts.Change(ctx, tenant, func(tenants.Tenant) ([]tenants.Op, error) {
		switch _, err := s.accounts.table.Get(ctx, signerKey(tenant, kid)); {
		case err == nil: // somebody was quicker
			return nil, nil
		case tenants.KindOf(err) != tenants.NotFound:
			return nil, err
		}
		put, err := s.put(ctx, tenant, kid, keyring.RandomText(keyRandom), tenants.Absent())
		return []tenants.Op{put}, err
	})
	if err != nil {
		return Signer{}, err
	}
	return s.load(ctx, tenant, kid)
}

func (s *Signers) load(ctx context.Context, tenant tenants.TenantID, kid string) (Signer, error) {
	return s.found.Get(ctx, signerID{tenant, kid}, func(ctx context.Context) (Signer, error) {
		r, err := record.Read[signerRecord](ctx, s.accounts.table, signerKey(tenant, kid), "signer_not_found", "there is no such signer")
		if err != nil {
			return Signer{}, err
		}
		key, err := s.vault.Open(ctx, tenant, signerPurpose(kid), r.Sealed)
		if err != nil {
			return Signer{}, err
		}
		return Signer{Tenant: tenant, KID: kid, Key: key, Own: kid != s.kid(tenant, ourKeyID), Expires: r.Expires}, nil
	})
}

// put gives the op that stores a signer whose key is text's bytes.
func (s *Signers) put(ctx context.Context, tenant tenants.TenantID, kid, text string, c tenants.Condition) (tenants.Op, error) {
	sealed, err := s.vault.Seal(ctx, tenant, signerPurpose(kid), []byte(text))
	return tenants.Put(signerKey(tenant, kid), record.Encode(signerRecord{Sealed: sealed}), time.Time{}, c), err
}

// expire gives the op that ends a signer at that time.
func (s *Signers) expire(ctx context.Context, tenant tenants.TenantID, kid string, at time.Time) (tenants.Op, error) {
	r, err := record.Read[signerRecord](ctx, s.accounts.table, signerKey(tenant, kid), "key_not_found", "there is no such key")
	r.Expires = at
	return tenants.Put(signerKey(tenant, kid), record.Encode(r), at, tenants.Anything()), err
}

// Forget makes the next look at the tenant's signers read anew; for whoever receives news.
func (s *Signers) Forget(tenant tenants.TenantID) {
	s.found.ForgetWhere(func(id signerID, _ Signer) bool { return id.tenant == tenant })
}

func signerKey(tenant tenants.TenantID, kid string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: rowSigning, Sort: kid}
}

func signerPurpose(kid string) string { return "token-signing/" + kid }
