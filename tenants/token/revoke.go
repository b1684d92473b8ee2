package token

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// MaxRevocations is the approximate number of revocations of a tenant in force at a time: every node keeps them in
// memory. Beyond it, revoke subjects instead of tokens, or replace the signing key.
const MaxRevocations = 10_000

const (
	revocationTTL = 5 * time.Second
	// After this time a revocation has no effect: every token issued before it has expired.
	revocationLife = MaxTTL + 2*leeway
)

// Revocation names what to revoke. Exactly one field must be set.
type Revocation struct {
	TokenID string // one token by its jti
	Subject string // every token issued to the subject so far
	Raw     string // one token by its text
}

// record is a stored revocation. Its key is "token " or "subject ", and a hash of the id or the subject.
type record struct {
	At time.Time // tokens of the subject issued at or before this time are revoked
}

// revocations are those of one tenant, by the Sort of their rows. They are not modified.
type revocations map[string]entry

type entry struct{ at, expires time.Time }

// setID identifies a tenant's revocations at a version of the tenant.
type setID struct {
	tenant  tenants.TenantID
	version int64
}

func tokenSort(id string) string { return tenants.DerivedID("token ", id) }

func subjectSort(subject string) string { return tenants.DerivedID("subject ", subject) }

// Revoke invalidates tokens, including those of open streams, on every node within seconds. Revoking a token that
// does not exist is no error. A value that cannot name anything is Unprocessable; more than MaxRevocations are
// TooMany revocation_limit.
func (t *Tokens) Revoke(ctx context.Context, tenant tenants.TenantID, r Revocation) error {
	sort, err := t.rowSort(ctx, tenant, r)
	if err != nil {
		return err
	}
	t.revoked.Forget(tenant)
	inForce, err := t.load(ctx, tenant)
	if err != nil {
		return err
	}
	if _, known := inForce[sort]; !known && len(inForce) >= MaxRevocations {
		return tenants.Errorf(tenants.TooMany, "revocation_limit",
			"there must be at most %d revocations at a time; revoke subjects, or replace the signing key",
			MaxRevocations)
	}
	err = t.accounts.Change(ctx, tenant, func(tenants.Tenant) ([]tenants.Op, error) {
		now := time.Now().UTC()
		body, err := json.Marshal(record{At: now})
		if err != nil {
			return nil, tenants.Errorf(tenants.Internal, "revocation_unencodable", "%w", err)
		}
		return []tenants.Op{tenants.Put(key(tenant, sort), body, now.Add(revocationLife), tenants.Anything())}, nil
	})
	t.revoked.Forget(tenant)
	return err
}

// rowSort returns the Sort of the row for a revocation.
func (t *Tokens) rowSort(ctx context.Context, tenant tenants.TenantID, r Revocation) (string, error) {
	bad := func(detail string) error {
		return &tenants.Error{Kind: tenants.Unprocessable, Code: "invalid_revocation", Detail: detail}
	}
	switch {
	case r.TokenID != "" && r.Subject == "" && r.Raw == "":
		if len(r.TokenID) > maxID {
			return "", bad("the token's id must have at most 128 bytes")
		}
		return tokenSort(r.TokenID), nil
	case r.Subject != "" && r.TokenID == "" && r.Raw == "":
		if !validSubject(r.Subject) {
			return "", bad("the subject must be 1 to 255 bytes of printable characters")
		}
		return subjectSort(r.Subject), nil
	case r.Raw != "" && r.TokenID == "" && r.Subject == "":
		p, err := t.parse(ctx, r.Raw)
		if err != nil && tenants.KindOf(err) != tenants.Unauthenticated {
			return "", err
		}
		if err != nil || p.Tenant != tenant {
			return "", bad("the token must be a valid token of the account")
		}
		return tokenSort(p.TokenID), nil
	}
	return "", bad("exactly one of token, token_id and subject must be set")
}

// Revoked reports whether the token of p has been revoked, or its signer deleted; for open streams, whose token was
// verified at their start. It is false for a principal of an API key. What it knows may be 5 s old.
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
	// A token without a time of issue counts as issued before.
	e, ok := r[subjectSort(p.Subject)]
	return ok && now.Before(e.expires) && !p.Issued.After(e.at), nil
}

// Ends returns when the signer of p's token expires, which may have been decided after p was verified; zero means
// never. A deleted signer is Unauthenticated token_unknown_key.
func (t *Tokens) Ends(ctx context.Context, p tenants.Principal) (time.Time, error) {
	signer, err := t.signers.Find(ctx, p.KID)
	return signer.Expires, err
}

// load returns the tenant's revocations, at most 5 s old. It reads them again only if the tenant's version has
// changed. It reads the version first, so cached revocations are never older than their version.
func (t *Tokens) load(ctx context.Context, tenant tenants.TenantID) (revocations, error) {
	return t.revoked.Get(ctx, tenant, func(ctx context.Context) (revocations, error) {
		version, err := t.accounts.Version(ctx, tenant)
		if err != nil {
			return nil, err
		}
		return t.sets.Get(ctx, setID{tenant: tenant, version: version}, func(ctx context.Context) (revocations, error) {
			return t.read(ctx, tenant)
		})
	})
}

func (t *Tokens) read(ctx context.Context, tenant tenants.TenantID) (revocations, error) {
	all := make(revocations)
	for after := ""; ; {
		rows, err := t.table.Query(ctx, tenants.Range{Tenant: tenant, Kind: tenants.KindRevocations, After: after,
			Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			var r record
			if err := json.Unmarshal(row.Body, &r); err != nil {
				return nil, tenants.Errorf(tenants.Internal, "revocation_undecodable", "%w", err)
			}
			all[row.Sort] = entry{at: r.At, expires: row.Expires}
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
