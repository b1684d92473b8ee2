package token

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// MaxRevocations is how many revocations of a tenant are in force at a time, about: every node keeps them in memory. Beyond,
// revoke subjects rather than tokens, or replace the signing key.
const MaxRevocations = 10_000

const (
	revocationTTL = 5 * time.Second
	// Past this a revocation says nothing: no token that was issued before it still lives.
	revocationLife = MaxTTL + 2*leeway
)

// Revocation names what to revoke, by exactly one of its fields.
type Revocation struct {
	TokenID string // one token, by its jti
	Subject string // every token of the subject that has been issued until now
	Raw     string // one token, by itself
}

// record is a revocation as it is stored, under "token " or "subject " and a hash of which.
type record struct {
	At time.Time // tokens of the subject issued then or before are revoked
}

// revocations of one tenant, by the Sort of their rows. They do not change.
type revocations map[string]entry

type entry struct{ at, expires time.Time }

// setID names what a tenant's revocations were while its version was that.
type setID struct {
	tenant  tenants.TenantID
	version int64
}

func tokenSort(id string) string { return tenants.DerivedID("token ", id) }

func subjectSort(subject string) string { return tenants.DerivedID("subject ", subject) }

// Revoke makes tokens count no more, open streams included; on every node within seconds. Revoking what does not exist is no error.
// Values that cannot name anything: Unprocessable. More than MaxRevocations: TooMany revocation_limit.
func (t *Tokens) Revoke(ctx context.Context, tenant tenants.TenantID, r Revocation) error {
	sort, err := t.sort(ctx, tenant, r)
	if err != nil {
		return err
	}
	t.revoked.Forget(tenant)
	have, err := t.load(ctx, tenant)
	if err != nil {
		return err
	}
	if _, again := have[sort]; !again && len(have) >= MaxRevocations {
		return tenants.Errorf(tenants.TooMany, "revocation_limit", "there can be at most %d revocations at a time; revoke subjects, or replace the signing key", MaxRevocations)
	}
	err = t.accounts.Change(ctx, tenant, func(tenants.Tenant) ([]tenants.Op, error) {
		now := time.Now().UTC()
		body, err := json.Marshal(record{now})
		if err != nil {
			return nil, tenants.Errorf(tenants.Internal, "revocation_unencodable", "%w", err)
		}
		return []tenants.Op{tenants.Put(key(tenant, sort), body, now.Add(revocationLife), tenants.Anything())}, nil
	})
	t.revoked.Forget(tenant)
	return err
}

// sort names the row of what r revokes.
func (t *Tokens) sort(ctx context.Context, tenant tenants.TenantID, r Revocation) (string, error) {
	bad := func(detail string) error {
		return &tenants.Error{Kind: tenants.Unprocessable, Code: "invalid_revocation", Detail: detail}
	}
	switch {
	case r.TokenID != "" && r.Subject == "" && r.Raw == "":
		if len(r.TokenID) > maxID {
			return "", bad("a token's id has at most 128 bytes")
		}
		return tokenSort(r.TokenID), nil
	case r.Subject != "" && r.TokenID == "" && r.Raw == "":
		if !validSubject(r.Subject) {
			return "", bad("the subject must be 1 to 255 bytes of characters that show")
		}
		return subjectSort(r.Subject), nil
	case r.Raw != "" && r.TokenID == "" && r.Subject == "":
		p, err := t.parse(ctx, r.Raw)
		if err != nil && tenants.KindOf(err) != tenants.Unauthenticated {
			return "", err
		}
		if err != nil || p.Tenant != tenant {
			return "", bad("this is no token of the account that is still in force")
		}
		return tokenSort(p.TokenID), nil
	}
	return "", bad("exactly one of token, token_id and subject is needed")
}

// Revoked tells whether the token behind p has been revoked, or its signer deleted; for open streams, whose token was verified
// when they began. A principal of an API key never is. It may go on by what it read up to 5 s ago.
func (t *Tokens) Revoked(ctx context.Context, p tenants.Principal) (bool, error) {
	if p.TokenID == "" {
		return false, nil
	}
	if _, err := t.signers.Find(ctx, p.KID); err != nil {
		if tenants.KindOf(err) == tenants.Unauthenticated {
			return true, nil
		}
		return false, err
	}
	r, err := t.load(ctx, p.Tenant)
	if err != nil {
		return false, err
	}
	if len(r) == 0 {
		return false, nil
	}
	now := time.Now()
	if e, ok := r[tokenSort(p.TokenID)]; ok && now.Before(e.expires) {
		return true, nil
	}
	// A token that does not say when it was issued counts as issued before.
	e, ok := r[subjectSort(p.Subject)]
	return ok && now.Before(e.expires) && !p.Issued.After(e.at), nil
}

// load gives the tenant's revocations as they were at most 5 s ago. They are read again only where the tenant's version has moved
// since; the version is read first, so that what is kept under it is never older.
func (t *Tokens) load(ctx context.Context, tenant tenants.TenantID) (revocations, error) {
	return t.revoked.Get(ctx, tenant, func(ctx context.Context) (revocations, error) {
		version, err := t.accounts.Version(ctx, tenant)
		if err != nil {
			return nil, err
		}
		return t.sets.Get(ctx, setID{tenant, version}, func(ctx context.Context) (revocations, error) { return t.read(ctx, tenant) })
	})
}

func (t *Tokens) read(ctx context.Context, tenant tenants.TenantID) (revocations, error) {
	all := make(revocations)
	for after := ""; ; {
		rows, err := t.table.Query(ctx, tenants.Range{Tenant: tenant, Kind: tenants.KindRevocations, After: after, Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			var r record
			if err := json.Unmarshal(row.Body, &r); err != nil {
				return nil, tenants.Errorf(tenants.Internal, "revocation_undecodable", "%w", err)
			}
			all[row.Sort] = entry{r.At, row.Expires}
		}
		if len(rows) < 1000 {
			return all, nil
		}
		after = rows[len(rows)-1].Sort
	}
}

func key(tenant tenants.TenantID, sort string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: tenants.KindRevocations, Sort: sort}
}
