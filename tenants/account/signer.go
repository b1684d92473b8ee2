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

// Signers keeps the HS256 keys that tokens are signed with, sealed. Each tenant has one for the tokens that Hookcast
// issues, made when it is first needed, and one for each API key of RoleSigner, which the tenant's backend holds too.
type Signers struct {
	accounts   *Accounts
	vault      tenants.Vault
	deployment *keyring.Ring
	found      *cache.Cache[keyID, Signer]
}

// Signer is a key that tokens are signed with.
type Signer struct {
	Tenant  tenants.TenantID
	KID     string
	Key     []byte
	Own     bool      // the tenant's backend holds the key too
	Expires time.Time // zero: never
}

// String hides the key.
func (s Signer) String() string { return "[signer " + s.KID + "]" }

// GoString hides the key.
func (s Signer) GoString() string { return s.String() }

type signerRecord struct {
	Sealed  []byte
	Expires time.Time
}

// NewSigners returns a Signers.
func NewSigners(a *Accounts, v tenants.Vault, d *keyring.Ring) *Signers {
	return &Signers{accounts: a, vault: v, deployment: d, found: cache.New[keyID, Signer](cache.ReadTTL, 10_000, 0)}
}

// kid returns the id of a signer: the 26 characters of the tenant's id, the 26 of the API key's id (zeros for ours)
// and a keyed checksum. So the kid alone leads to its row, and a made-up kid costs no read.
func (s *Signers) kid(tenant tenants.TenantID, key string) string {
	body := strings.TrimPrefix(string(tenant), tenants.PrefixTenant) + strings.TrimPrefix(key, tenants.PrefixKey)
	return body + s.deployment.Kids().Checksum(body)
}

const ourKeyID = tenants.PrefixKey + "00000000000000000000000000"

// Find returns the signer with the given kid. One that is deleted or expired, or that this deployment did not make,
// which takes no I/O to find out: Unauthenticated token_unknown_key.
func (s *Signers) Find(ctx context.Context, kid string) (Signer, error) {
	unknown := tenants.Errorf(tenants.Unauthenticated, "token_unknown_key",
		"the token's kid is not the kid of a key of this deployment")
	body, ok := s.deployment.Kids().CutChecksum(kid, 2*tenants.IDChars)
	if !ok {
		return Signer{}, unknown
	}
	found, err := s.load(ctx, tenants.TenantID(tenants.PrefixTenant+body[:tenants.IDChars]), kid)
	if tenants.IsNotFound(err) || err == nil && tenants.Ended(found.Expires, time.Now()) {
		return Signer{}, unknown
	}
	return found, err
}

// Ours returns the key that Hookcast signs the tenant's tokens with. It makes the key if there is none yet.
func (s *Signers) Ours(ctx context.Context, tenant tenants.TenantID) (Signer, error) {
	kid := s.kid(tenant, ourKeyID)
	found, err := s.load(ctx, tenant, kid)
	if !tenants.IsNotFound(err) {
		return found, err
	}
	err = s.accounts.Change(ctx, tenant, func(tenants.Tenant) ([]tenants.Op, error) {
		if _, err := s.accounts.table.Get(ctx, signerKey(tenant, kid)); !tenants.IsNotFound(err) {
			return nil, err // nil: another process was faster
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
	return s.found.Get(ctx, keyID{tenant, kid}, func(ctx context.Context) (Signer, error) {
		at := signerKey(tenant, kid)
		r, err := record.Read[signerRecord](ctx, s.accounts.table, at, "signer_not_found", "there is no such signer")
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

// put returns the op that stores a signer whose key is the bytes of text.
func (s *Signers) put(ctx context.Context, tenant tenants.TenantID, kid, text string, c tenants.Condition,
) (tenants.Op, error) {
	sealed, err := s.vault.Seal(ctx, tenant, signerPurpose(kid), []byte(text))
	return tenants.Put(signerKey(tenant, kid), record.Encode(signerRecord{Sealed: sealed}), time.Time{}, c), err
}

// expire returns the op that makes a signer expire at the given time.
func (s *Signers) expire(ctx context.Context, tenant tenants.TenantID, kid string, at time.Time) (tenants.Op, error) {
	k := signerKey(tenant, kid)
	r, err := record.Read[signerRecord](ctx, s.accounts.table, k, keyNotFound().Code, keyNotFound().Detail)
	r.Expires = at
	return tenants.Put(k, record.Encode(r), at, tenants.Anything()), err
}

// Forget drops the tenant's cached signers. Receivers of news call it.
func (s *Signers) Forget(tenant tenants.TenantID) {
	s.found.ForgetWhere(func(id keyID, _ Signer) bool { return id.tenant == tenant })
}

func signerKey(tenant tenants.TenantID, kid string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: rowSigning, Sort: kid}
}

func signerPurpose(kid string) string { return "token-signing/" + kid }
