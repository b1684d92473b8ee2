package source

import (
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/signing"
)

// Sources keeps the sources.
type Sources struct {
	table      tenants.Table
	accounts   *account.Accounts
	vault      tenants.Vault
	deployment *keyring.Ring
	found      *cache.Cache[string, openSource] // by the token's hash
}

// openSource is a source ready to verify: its secrets opened, in the order of Source.Secrets.
type openSource struct {
	Source
	secrets []signing.Secret
	expires time.Time // of the token it was found by
}

// Secrets is what is shown of a new source this once, or again on purpose.
type Secrets struct {
	Token  string // what stands in its URL
	Secret string // the signing secret, only where it was made here
	Weak   bool   // the secret is so short that one captured request is enough to guess it offline
}

// NewSources makes a Sources.
func NewSources(t tenants.Table, a *account.Accounts, v tenants.Vault, d *keyring.Ring) *Sources {
	return &Sources{table: t, accounts: a, vault: v, deployment: d, found: cache.New[string, openSource](cache.ReadTTL, 10_000, 1_000)}
}

// Create registers a source. Values that could not work: Unprocessable, with the reason. Over the tenant's limit, which holds
// against any number of concurrent calls: TooMany source_limit.
func (s *Sources) Create(ctx context.Context, tenant tenants.TenantID, spec Spec) (Source, Secrets, error) {
	src := Source{
		ID: tenants.NewID(tenants.PrefixSource), Tenant: tenant, Name: spec.Name, Provider: spec.Provider, Channel: spec.Channel, Fallback: spec.Fallback,
		Custom: spec.Custom, AllowLegacy: spec.AllowLegacy, Tolerance: spec.Tolerance, Response: spec.Response, Created: time.Now().UTC().Truncate(time.Second),
	}
	scheme, err := src.check()
	if err != nil {
		return Source{}, Secrets{}, err
	}
	var shown Secrets
	if !scheme.None() || spec.Secret != "" {
		var sealed tenants.SealedSecret
		if sealed, shown, err = s.newSecret(ctx, src, scheme, spec.Secret); err != nil {
			return Source{}, Secrets{}, err
		}
		src.Secrets = []tenants.SealedSecret{sealed}
	}
	token, text, err := s.newToken(ctx, src)
	if err != nil {
		return Source{}, Secrets{}, err
	}
	src.Tokens, shown.Token = []Token{token}, text
	err = s.accounts.Change(ctx, tenant, func(t tenants.Tenant) ([]tenants.Op, error) {
		limit := t.Limits().Sources
		if limit > 0 {
			n, err := record.Count(ctx, s.table, tenant, rowSources, limit)
			if err != nil {
				return nil, err
			}
			if n >= limit {
				return nil, tenants.Errorf(tenants.TooMany, "source_limit", "the plan allows %d sources", limit)
			}
		}
		return src.puts(), nil
	})
	if err != nil {
		return Source{}, Secrets{}, err
	}
	return src, shown, nil
}

// Get returns one source: NotFound source_not_found.
func (s *Sources) Get(ctx context.Context, tenant tenants.TenantID, id string) (Source, error) {
	if !tenants.ValidID(tenants.PrefixSource, id) {
		return Source{}, notFound()
	}
	return record.Read[Source](ctx, s.table, tenants.Key{Tenant: tenant, Kind: rowSources, Sort: id}, "source_not_found", "there is no such source")
}

func notFound() error {
	return tenants.Errorf(tenants.NotFound, "source_not_found", "there is no such source")
}

// List returns up to limit (1 to 100) sources behind the id after, oldest first, and where to go on: "" at the end.
func (s *Sources) List(ctx context.Context, tenant tenants.TenantID, after string, limit int) ([]Source, string, error) {
	return record.List[Source](ctx, s.table, tenant, rowSources, after, record.PageLimit(limit))
}

// Token returns what stands in the source's URL now.
func (s *Sources) Token(ctx context.Context, src Source) (string, error) {
	if len(src.Tokens) == 0 {
		return "", tenants.Errorf(tenants.Internal, "source_without_url", "the source has no token")
	}
	text, err := s.vault.Open(ctx, src.Tenant, tokenPurpose(src.ID), src.Tokens[0].Sealed)
	return string(text), err
}

// Update changes what p names. Values that could not work, its secrets under new terms included: Unprocessable.
func (s *Sources) Update(ctx context.Context, tenant tenants.TenantID, id string, p Patch) (Source, error) {
	return s.edit(ctx, tenant, id, func(src *Source) ([]tenants.Op, error) {
		record.Set(&src.Name, p.Name)
		record.Set(&src.Channel, p.Channel)
		record.Set(&src.Fallback, p.Fallback)
		record.Set(&src.AllowLegacy, p.AllowLegacy)
		record.Set(&src.Tolerance, p.Tolerance)
		record.Set(&src.Response, p.Response)
		if p.Custom != nil {
			src.Custom = p.Custom
			if *p.Custom == (signing.Custom{}) {
				src.Custom = nil
			}
		}
		if _, err := src.check(); err != nil {
			return nil, err
		}
		if p.Custom != nil {
			if _, err := s.open(ctx, *src); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
}

// RotateURL gives the source a new URL and returns its token. The old one works for overlap longer (0 to MaxSourceOverlap).
// With too many being rotated out already: Conflict url_limit.
func (s *Sources) RotateURL(ctx context.Context, tenant tenants.TenantID, id string, overlap time.Duration) (Source, string, error) {
	if err := tenants.CheckOverlap(overlap); err != nil {
		return Source{}, "", err
	}
	var text string
	src, err := s.edit(ctx, tenant, id, func(src *Source) (ops []tenants.Op, err error) {
		var token Token
		if token, text, err = s.newToken(ctx, *src); err != nil {
			return nil, err
		}
		end := time.Now().UTC().Add(overlap).Truncate(time.Second)
		old := slices.Clone(src.Tokens)
		if overlap == 0 {
			for _, t := range old {
				ops = append(ops, tenants.Delete(t.lookup(), tenants.Anything()))
			}
			old = nil
		}
		for i := range old {
			old[i].Expires = tenants.Earlier(old[i].Expires, end)
		}
		if len(old) == MaxTokens {
			return nil, tenants.Errorf(tenants.Conflict, "url_limit", "four URLs of the source work already; rotate without overlap, or wait for one to end")
		}
		src.Tokens = append([]Token{token}, old...)
		return ops, nil
	})
	if err != nil {
		return Source{}, "", err
	}
	return src, text, nil
}

// Delete ends a source: its URL answers 404 and its secrets are gone. Events that it brought stay.
func (s *Sources) Delete(ctx context.Context, tenant tenants.TenantID, id string) error {
	err := s.accounts.Change(ctx, tenant, func(tenants.Tenant) ([]tenants.Op, error) {
		src, err := s.Get(ctx, tenant, id)
		if err != nil {
			return nil, err
		}
		ops := []tenants.Op{tenants.Delete(src.row(), tenants.Anything())}
		for _, t := range src.Tokens {
			ops = append(ops, tenants.Delete(t.lookup(), tenants.Anything()))
		}
		return ops, nil
	})
	s.Forget(tenant)
	return err
}

// edit reads a source, lets change have it, and writes it back unless another change came in between. The ops that change
// returns are done with it.
func (s *Sources) edit(ctx context.Context, tenant tenants.TenantID, id string, change func(*Source) ([]tenants.Op, error)) (Source, error) {
	var src Source
	err := s.accounts.Change(ctx, tenant, func(tenants.Tenant) (ops []tenants.Op, err error) {
		if src, err = s.Get(ctx, tenant, id); err != nil {
			return nil, err
		}
		now := time.Now()
		src.Secrets = slices.DeleteFunc(src.Secrets, func(x tenants.SealedSecret) bool { return tenants.Ended(x.NotAfter, now) })
		src.Tokens = slices.DeleteFunc(src.Tokens, func(x Token) bool { return tenants.Ended(x.Expires, now) })
		if ops, err = change(&src); err != nil {
			return nil, err
		}
		return append(ops, src.puts()...), nil
	})
	s.Forget(tenant)
	if err != nil {
		return Source{}, err
	}
	return src, nil
}

// Forget makes the next ByToken of the tenant's sources read anew; for whoever receives news.
func (s *Sources) Forget(tenant tenants.TenantID) {
	s.found.ForgetWhere(func(_ string, o openSource) bool { return o.Tenant == tenant })
}
