package token

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
)

// principal returns the principal of a token from its claims. The signature must have been verified.
func principal(claims []byte, raw string, signer account.Signer, now time.Time) (p tenants.Principal, err error) {
	fields, ok := object(claims)
	if !ok {
		return p, malformed("the claims must be one JSON object without repeated members")
	}
	if aud, ok := text(fields["aud"]); !ok || aud != audience {
		return p, refused("token_audience", `aud must be the string "hookcast"`)
	}
	if tenant, ok := text(fields["tenant"]); !ok || tenant != string(signer.Tenant) {
		return p, refused("token_tenant", "tenant must be the id of the account whose key signed the token")
	}
	p.Tenant, p.KID = signer.Tenant, signer.KID
	if err := lifetime(&p, fields, now); err != nil {
		return p, err
	}
	if !signer.Expires.IsZero() && signer.Expires.Before(p.Expires) {
		p.Expires = signer.Expires
	}
	if err := rights(&p, fields); err != nil {
		return p, err
	}
	p.TokenID = tenants.DerivedID(tenants.PrefixToken, raw[:strings.LastIndexByte(raw, '.')])
	if b, there := fields["jti"]; there {
		if p.TokenID, ok = text(b); !ok || p.TokenID == "" || len(p.TokenID) > maxID {
			return p, refused("token_claims", "jti must be a string of 1 to 128 bytes")
		}
	}
	return p, nil
}

// lifetime reads exp, nbf and iat.
func lifetime(p *tenants.Principal, fields map[string]json.RawMessage, now time.Time) error {
	exp, ok := instant(fields["exp"])
	switch {
	case !ok:
		return refused("token_lifetime", "exp must be a number of seconds since 1970")
	case !now.Before(exp):
		return refused("token_expired", "the token has expired")
	case exp.Sub(now) > MaxTTL+leeway:
		return refused("token_lifetime", "exp must be at most 24 hours ahead")
	}
	p.Expires = exp
	for _, name := range []string{"nbf", "iat"} {
		b, there := fields[name]
		if !there {
			continue
		}
		at, ok := instant(b)
		if !ok {
			return refused("token_lifetime", name+" must be a number of seconds since 1970")
		}
		if at.Sub(now) > leeway {
			return refused("token_not_yet", name+" must not be ahead of this clock")
		}
		if name == "iat" {
			p.Issued = at
		}
	}
	return nil
}

// rights reads sub, roles and channels.
func rights(p *tenants.Principal, fields map[string]json.RawMessage) error {
	var ok bool
	if p.Subject, ok = text(fields["sub"]); !ok || !validSubject(p.Subject) {
		return refused("token_claims", "sub must be a string of 1 to 255 bytes of printable characters")
	}
	p.Roles = []string{tenants.RoleViewer}
	if b, there := fields["roles"]; there {
		if p.Roles, ok = texts(b); !ok || !validRoles(p.Roles) {
			return refused("token_claims", "roles must be at most 16 of viewer, publisher and names of your own; "+
				"only API keys have other roles")
		}
	}
	if p.Channels, ok = texts(fields["channels"]); !ok || !validChannels(p.Channels) {
		return refused("token_claims", "channels must list 1 to 50 names or patterns")
	}
	return nil
}

// maxInstant is 9999-12-31, the last time that RFC 3339 can express.
const maxInstant = 253402300799

// instant parses a NumericDate (RFC 7519 section 2): a JSON number without an exponent, up to the year 9999.
func instant(b json.RawMessage) (time.Time, bool) {
	s := string(b)
	if s == "" || strings.ContainsAny(s, `"eE`) {
		return time.Time{}, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f > maxInstant {
		return time.Time{}, false
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(math.Round(part*1e6))*1000), true
}

// texts parses an array of strings.
func texts(b json.RawMessage) ([]string, bool) {
	var items []json.RawMessage
	if len(b) == 0 || b[0] != '[' || json.Unmarshal(b, &items) != nil {
		return nil, false
	}
	list := make([]string, len(items))
	for i, item := range items {
		var ok bool
		if list[i], ok = text(item); !ok {
			return nil, false
		}
	}
	return list, true
}
