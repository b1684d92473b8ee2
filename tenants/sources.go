package tenants

import (
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants/signing"
)

// Sources keeps the sources.
type Sources struct {
	table      Table
	accounts   *Accounts
	vault      Vault
	deployment *Deployment
	found      *Cache[string, openSource] // by the token's hash
}

// openSource is a source ready to verify: its secrets opened, in the order of Source.Secrets.
type openSource struct {
	Source
	secrets []signing.Secret
	expires time.Time // of the token it was found by
}

// SourceSecrets is what is shown of a new source this once, or again on purpose.
type SourceSecrets struct {
	Token  string // what stands in its URL
	Secret string // the signing secret, only where it was made here
	Weak   bool   // the secret is so short that one captured request is enough to guess it offline
}

// NewSources makes a Sources.
func NewSources(t Table, a *Accounts, v Vault, d *Deployment) *Sources {
	return &Sources{table: t, accounts: a, vault: v, deployment: d, found: NewCache[string, openSource](readTTL, 10_000, 1_000)}
}

// Create registers a source. Values that could not work: Unprocessable, with the reason. Over the tenant's limit, which holds
// against any number of concurrent calls: TooMany source_limit.
func (s *Sources) Create(ctx context.Context, tenant TenantID, spec SourceSpec) (Source, SourceSecrets, error) {
	src := Source{
		ID: NewID(PrefixSource), Tenant: tenant, Name: spec.Name, Provider: spec.Provider, Channel: spec.Channel, Fallback: spec.Fallback,
		Custom: spec.Custom, AllowLegacy: spec.AllowLegacy, Tolerance: spec.Tolerance, Response: spec.Response, Created: time.Now().UTC().Truncate(time.Second),
	}
	scheme, err := src.check()
	if err != nil {
		return Source{}, SourceSecrets{}, err
	}
	var shown SourceSecrets
	if !scheme.None() || spec.Secret != "" {
		var sealed SealedSecret
		if sealed, shown, err = s.newSecret(ctx, src, scheme, spec.Secret); err != nil {
			return Source{}, SourceSecrets{}, err
		}
		src.Secrets = []SealedSecret{sealed}
	}
	token, text, err := s.newToken(ctx, src)
	if err != nil {
		return Source{}, SourceSecrets{}, err
	}
	src.Tokens, shown.Token = []SourceToken{token}, text
	err = s.accounts.Change(ctx, tenant, func(t Tenant) ([]Op, error) {
		limit := t.Limits().Sources
		if limit > 0 {
			n, err := countRows(ctx, s.table, tenant, rowSources, limit)
			if err != nil {
				return nil, err
			}
			if n >= limit {
				return nil, Errorf(TooMany, "source_limit", "the plan allows %d sources", limit)
			}
		}
		return src.puts(), nil
	})
	if err != nil {
		return Source{}, SourceSecrets{}, err
	}
	return src, shown, nil
}

// Get returns one source: NotFound source_not_found.
func (s *Sources) Get(ctx context.Context, tenant TenantID, id string) (Source, error) {
	if !ValidID(PrefixSource, id) {
		return Source{}, sourceNotFound()
	}
	return readRecord[Source](ctx, s.table, Key{tenant, rowSources, id}, "source_not_found", "there is no such source")
}

func sourceNotFound() error { return Errorf(NotFound, "source_not_found", "there is no such source") }

// List returns up to limit (1 to 100) sources behind the id after, oldest first, and where to go on: "" at the end.
func (s *Sources) List(ctx context.Context, tenant TenantID, after string, limit int) ([]Source, string, error) {
	return listRecords[Source](ctx, s.table, tenant, rowSources, after, pageLimit(limit))
}

// Token returns what stands in the source's URL now.
func (s *Sources) Token(ctx context.Context, src Source) (string, error) {
	if len(src.Tokens) == 0 {
		return "", Errorf(Internal, "source_without_url", "the source has no token")
	}
	text, err := s.vault.Open(ctx, src.Tenant, tokenPurpose(src.ID), src.Tokens[0].Sealed)
	return string(text), err
}

// Update changes what p names. Values that could not work, its secrets under new terms included: Unprocessable.
func (s *Sources) Update(ctx context.Context, tenant TenantID, id string, p SourcePatch) (Source, error) {
	return s.edit(ctx, tenant, id, func(src *Source) ([]Op, error) {
		set(&src.Name, p.Name)
		set(&src.Channel, p.Channel)
		set(&src.Fallback, p.Fallback)
		set(&src.AllowLegacy, p.AllowLegacy)
		set(&src.Tolerance, p.Tolerance)
		set(&src.Response, p.Response)
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

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

// RotateURL gives the source a new URL and returns its token. The old one works for overlap longer (0 to MaxSourceOverlap).
// With too many being rotated out already: Conflict url_limit.
func (s *Sources) RotateURL(ctx context.Context, tenant TenantID, id string, overlap time.Duration) (Source, string, error) {
	if err := checkOverlap(overlap); err != nil {
		return Source{}, "", err
	}
	var text string
	src, err := s.edit(ctx, tenant, id, func(src *Source) (ops []Op, err error) {
		var token SourceToken
		if token, text, err = s.newToken(ctx, *src); err != nil {
			return nil, err
		}
		end := time.Now().UTC().Add(overlap).Truncate(time.Second)
		old := slices.Clone(src.Tokens)
		if overlap == 0 {
			for _, t := range old {
				ops = append(ops, Delete(t.lookup(), Anything()))
			}
			old = nil
		}
		for i := range old {
			old[i].Expires = earlier(old[i].Expires, end)
		}
		if len(old) == MaxTokens {
			return nil, Errorf(Conflict, "url_limit", "four URLs of the source work already; rotate without overlap, or wait for one to end")
		}
		src.Tokens = append([]SourceToken{token}, old...)
		return ops, nil
	})
	if err != nil {
		return Source{}, "", err
	}
	return src, text, nil
}

// Delete ends a source: its URL answers 404 and its secrets are gone. Events that it brought stay.
func (s *Sources) Delete(ctx context.Context, tenant TenantID, id string) error {
	err := s.accounts.Change(ctx, tenant, func(Tenant) ([]Op, error) {
		src, err := s.Get(ctx, tenant, id)
		if err != nil {
			return nil, err
		}
		ops := []Op{Delete(src.row(), Anything())}
		for _, t := range src.Tokens {
			ops = append(ops, Delete(t.lookup(), Anything()))
		}
		return ops, nil
	})
	s.Forget(tenant)
	return err
}

// edit reads a source, lets change have it, and writes it back unless another change came in between. The ops that change
// returns are done with it.
func (s *Sources) edit(ctx context.Context, tenant TenantID, id string, change func(*Source) ([]Op, error)) (Source, error) {
	var src Source
	err := s.accounts.Change(ctx, tenant, func(Tenant) (ops []Op, err error) {
		if src, err = s.Get(ctx, tenant, id); err != nil {
			return nil, err
		}
		now := time.Now()
		src.Secrets = slices.DeleteFunc(src.Secrets, func(x SealedSecret) bool { return ended(x.NotAfter, now) })
		src.Tokens = slices.DeleteFunc(src.Tokens, func(x SourceToken) bool { return ended(x.Expires, now) })
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
func (s *Sources) Forget(tenant TenantID) {
	s.found.ForgetWhere(func(_ string, o openSource) bool { return o.Tenant == tenant })
}
