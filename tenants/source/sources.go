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

// Sources keeps the sources of all tenants.
type Sources struct {
	table      tenants.Table
	accounts   *account.Accounts
	vault      tenants.Vault
	deployment *keyring.Ring
	found      *cache.Cache[string, openSource] // by the token's hash
}

// openSource is a source with its secrets opened, in the order of Source.Secrets.
type openSource struct {
	Source
	secrets []signing.Secret
	expires time.Time // of the token it was found by
}

// Secrets holds the values of a new source or secret that its creator is shown.
type Secrets struct {
	Token  string // of the source's URL
	Secret string // the signing secret, only if it was made here
	Weak   bool   // the secret is short enough to be guessed offline from one captured request
}

// NewSources returns a Sources.
func NewSources(t tenants.Table, a *account.Accounts, v tenants.Vault, d *keyring.Ring) *Sources {
	found := cache.New[string, openSource](cache.ReadTTL, 10_000, 1_000)
	return &Sources{table: t, accounts: a, vault: v, deployment: d, found: found}
}

// Create creates a source. Refused values: Unprocessable. Over the tenant's limit: TooMany source_limit.
func (s *Sources) Create(ctx context.Context, tenant tenants.TenantID, spec Spec) (Source, Secrets, error) {
	src := Source{
		ID: tenants.NewID(tenants.PrefixSource), Tenant: tenant, Name: spec.Name, Provider: spec.Provider,
		Channel: spec.Channel, Fallback: spec.Fallback, Custom: spec.Custom, AllowLegacy: spec.AllowLegacy,
		Tolerance: spec.Tolerance, Response: spec.Response, Created: time.Now().UTC().Truncate(time.Second),
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

// Get returns one source. Unknown: NotFound source_not_found.
func (s *Sources) Get(ctx context.Context, tenant tenants.TenantID, id string) (Source, error) {
	if !tenants.ValidID(tenants.PrefixSource, id) {
		return Source{}, notFound()
	}
	return record.Read[Source](ctx, s.table, Source{Tenant: tenant, ID: id}.row(), notFound().Code, notFound().Detail)
}

func notFound() *tenants.Error {
	return tenants.Errorf(tenants.NotFound, "source_not_found", "there is no such source")
}

// List returns up to limit (1 to 100) sources after the id after, oldest first, and the after of the next page: "" at
// the end.
func (s *Sources) List(ctx context.Context, tenant tenants.TenantID, after string, limit int,
) ([]Source, string, error) {
	return record.List[Source](ctx, s.table, tenant, rowSources, after, record.PageLimit(limit))
}

// Token returns the current token of the source's URL.
func (s *Sources) Token(ctx context.Context, src Source) (string, error) {
	if len(src.Tokens) == 0 {
		return "", tenants.Errorf(tenants.Internal, "source_without_url", "the source has no token")
	}
	text, err := s.vault.Open(ctx, src.Tenant, tokenPurpose(src.ID), src.Tokens[0].Sealed)
	return string(text), err
}

// Update applies p. Refused values, among them a Custom that does not fit the source's secrets: Unprocessable.
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

// RotateURL gives the source a new URL and returns its token. The old one keeps working for overlap, 0 to
// tenants.MaxOverlap. If MaxTokens URLs would work besides the new one: Conflict url_limit.
func (s *Sources) RotateURL(ctx context.Context, tenant tenants.TenantID, id string, overlap time.Duration,
) (Source, string, error) {
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
			return nil, tenants.Errorf(tenants.Conflict, "url_limit",
				"the source has 4 URLs already; rotate without overlap, or wait until one expires")
		}
		src.Tokens = append([]Token{token}, old...)
		return ops, nil
	})
	return src, text, err
}

// Delete deletes a source with its URLs and secrets. Its events stay.
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

// edit applies change to a source and writes it, together with the ops that change returns. It may call change again if
// another change came first.
func (s *Sources) edit(ctx context.Context, tenant tenants.TenantID, id string,
	change func(*Source) ([]tenants.Op, error)) (src Source, err error) {
	err = s.accounts.Change(ctx, tenant, func(tenants.Tenant) (ops []tenants.Op, err error) {
		if src, err = s.Get(ctx, tenant, id); err != nil {
			return nil, err
		}
		now := time.Now()
		src.Secrets = slices.DeleteFunc(src.Secrets, func(x tenants.SealedSecret) bool {
			return tenants.Ended(x.NotAfter, now)
		})
		src.Tokens = slices.DeleteFunc(src.Tokens, func(x Token) bool { return tenants.Ended(x.Expires, now) })
		if ops, err = change(&src); err != nil {
			return nil, err
		}
		return append(ops, src.puts()...), nil
	})
	s.Forget(tenant)
	return src, err
}

// Forget drops the tenant's cached sources. Receivers of news call it.
func (s *Sources) Forget(tenant tenants.TenantID) {
	s.found.ForgetWhere(func(_ string, o openSource) bool { return o.Tenant == tenant })
}
