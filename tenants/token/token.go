// Package token creates and verifies the tokens that browsers connect with. It is the only package that uses JWT.
//
// A token is a JWT (RFC 7519), signed with HS256 under a key of one tenant, by Hookcast or by the tenant's own backend:
//
//	{"alg":"HS256","kid":"…","typ":"JWT"}
//	{"aud":"hookcast","exp":1767225600,"tenant":"ten_…","sub":"alice","channels":["orders.*"],"roles":["viewer"]}
//
// The algorithm is fixed, the key is found by a kid that only this deployment can create, and nothing else in the
// header is used (RFC 8725). These claims are required, except roles, which defaults to viewer; nbf, iat and jti are
// honored if present; others are ignored.
package token

import (
	"context"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/cache"
)

// The bounds of a token.
const (
	MaxBytes    = 4096
	MaxTTL      = 24 * time.Hour
	MinTTL      = time.Second
	MaxRoles    = 16
	MaxChannels = tenants.MaxChannels
	MaxSubject  = 255
	maxID       = 128
	audience    = "hookcast"
	leeway      = 60 * time.Second // between the signer's clock and ours; never for exp
)

// Tokens creates, verifies and revokes tokens. It is safe for concurrent use.
type Tokens struct {
	table    tenants.Table
	accounts *account.Accounts
	signers  *account.Signers
	revoked  *cache.Cache[tenants.TenantID, revocations]
	sets     *cache.Cache[setID, revocations]
}

// New returns a Tokens.
func New(t tenants.Table, a *account.Accounts, s *account.Signers) *Tokens {
	return &Tokens{
		table: t, accounts: a, signers: s,
		revoked: cache.New[tenants.TenantID, revocations](revocationTTL, 10_000, 0),
		sets:    cache.New[setID, revocations](time.Hour, 200, 0),
	}
}

// Spec describes a new token.
type Spec struct {
	Subject  string   // 1 to 255 bytes of printable characters: the tenant's name for the end user
	Roles    []string // see account.ValidTokenRole; nil means viewer
	Channels []string // 1 to 50 names or patterns
	TTL      time.Duration
}

// Token is a new token.
type Token struct {
	Raw     string // the text that the browser sends
	ID      string
	Expires time.Time
}

// claims are a token's claims in JSON.
type claims struct {
	Audience string   `json:"aud"`
	Expires  int64    `json:"exp"`
	Issued   float64  `json:"iat"` // in milliseconds, so a revocation can tell before from after
	ID       string   `json:"jti"`
	Subject  string   `json:"sub"`
	Tenant   string   `json:"tenant"`
	Roles    []string `json:"roles"`
	Channels []string `json:"channels"`
	noGetters
}

// Mint creates a token for a subject of the tenant. Values that cannot be in a token are Unprocessable.
func (t *Tokens) Mint(ctx context.Context, tenant tenants.TenantID, spec Spec) (Token, error) {
	if spec.Roles == nil {
		spec.Roles = []string{tenants.RoleViewer}
	}
	if pointer, reason := spec.refuse(); reason != "" {
		return Token{}, invalid(pointer, reason)
	}
	signer, err := t.signers.Ours(ctx, tenant)
	if err != nil {
		return Token{}, err
	}
	now := time.Now()
	made := Token{ID: tenants.NewID(tenants.PrefixToken), Expires: now.Add(spec.TTL).UTC().Truncate(time.Second)}
	j := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		Audience: audience, Expires: made.Expires.Unix(), Issued: float64(now.UnixMilli()) / 1000, ID: made.ID,
		Subject: spec.Subject, Tenant: string(tenant), Roles: spec.Roles, Channels: spec.Channels,
	})
	j.Header["kid"] = signer.KID
	if made.Raw, err = j.SignedString(signer.Key); err != nil {
		return Token{}, tenants.Errorf(tenants.Internal, "token_unsigned", "%w", err)
	}
	if len(made.Raw) > MaxBytes {
		return Token{}, invalid("/channels",
			"the token must have at most 4096 bytes: use fewer or shorter channels and roles")
	}
	return made, nil
}

func invalid(pointer, reason string) error {
	return &tenants.Error{
		Kind: tenants.Unprocessable, Code: "invalid_token", Detail: reason,
		Fields: []tenants.FieldError{{Pointer: pointer, Detail: reason}},
	}
}

// refuse returns which field cannot be in a token and why, or "".
func (s Spec) refuse() (pointer, reason string) {
	switch {
	case !validSubject(s.Subject):
		return "/subject", "the subject must be 1 to 255 bytes of characters that show"
	case !validRoles(s.Roles):
		return "/roles",
			"the roles must be at most 16: viewer, publisher, or names of your own in a-z, 0-9, _ and -; only API " +
				"keys have other roles"
	case !validChannels(s.Channels):
		return "/channels", "the channels must list 1 to 50 items: a channel name, a prefix such as orders.*, or *"
	case s.TTL < MinTTL || s.TTL > MaxTTL:
		return "/ttl_seconds", "the lifetime must be 1 to 86400 seconds"
	}
	return "", ""
}

func validSubject(s string) bool {
	if s == "" || len(s) > MaxSubject || !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return false
		}
	}
	return true
}

func validRoles(roles []string) bool {
	return len(roles) <= MaxRoles && !slices.ContainsFunc(roles, func(r string) bool {
		return !account.ValidTokenRole(r)
	})
}

func validChannels(patterns []string) bool {
	return len(patterns) >= 1 && len(patterns) <= MaxChannels &&
		!slices.ContainsFunc(patterns, func(p string) bool { return !tenants.ValidChannelPattern(p) })
}

// Forget makes the next Verify and Revoked read the tenant's revocations again. Call it when they have changed.
func (t *Tokens) Forget(tenant tenants.TenantID) {
	t.revoked.Forget(tenant)
	t.signers.Forget(tenant)
}
