package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/hookcast/hookcast/tenants"
)

// Verify returns the principal that a token speaks for. An invalid token is Unauthenticated, with one of the codes
//
//	token_malformed    not the form of a JWT, or more than 4096 bytes
//	token_algorithm    the algorithm is not HS256
//	token_unknown_key  this deployment did not create the kid (known without I/O), or its key is gone
//	token_signature    not signed with that key
//	token_audience     aud is not the string "hookcast"
//	token_tenant       tenant is not the one whose key signed it
//	token_lifetime     exp is missing, not a plain number, or more than 24 hours ahead
//	token_expired
//	token_not_yet      nbf or iat is more than 60 s ahead of our clock
//	token_claims       sub, roles or channels are missing or invalid
//	token_revoked
//
// and Forbidden tenant_suspended. The keys and revocations that it knows may be 5 s old.
func (t *Tokens) Verify(ctx context.Context, raw string) (tenants.Principal, error) {
	p, err := t.parse(ctx, raw)
	if err != nil {
		return tenants.Principal{}, err
	}
	if _, err := t.accounts.Active(ctx, p.Tenant); err != nil {
		if tenants.KindOf(err) == tenants.NotFound {
			err = refused("token_unknown_key", "the token's kid must name a key of this deployment")
		}
		return tenants.Principal{}, err
	}
	switch revoked, err := t.Revoked(ctx, p); {
	case err != nil:
		return tenants.Principal{}, err
	case revoked:
		return tenants.Principal{}, refused("token_revoked", "the token has been revoked")
	}
	return p, nil
}

// parse is Verify without the checks of the tenant's state and revocations.
func (t *Tokens) parse(ctx context.Context, raw string) (tenants.Principal, error) {
	kid, err := header(raw)
	if err != nil {
		return tenants.Principal{}, err
	}
	signer, err := t.signers.Find(ctx, kid)
	if err != nil {
		return tenants.Principal{}, err
	}
	// The library checks the form and the signature; the claims are then read by our own, strict rules.
	var body rawClaims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation())
	if _, err := parser.ParseWithClaims(raw, &body, func(*jwt.Token) (any, error) {
		return signer.Key, nil
	}); err != nil {
		return tenants.Principal{}, refused("token_signature",
			"the token must be signed with the key that its kid names")
	}
	return principal(body.json, raw, signer, time.Now())
}

func refused(code, detail string) *tenants.Error {
	return tenants.Errorf(tenants.Unauthenticated, code, "%s", detail)
}

func malformed(detail string) *tenants.Error { return refused("token_malformed", detail) }

// header returns the key id. It ignores keys and key addresses that the token brings along (jwk, jku, x5c, x5u), and
// refuses members that would change how the token is read.
func header(raw string) (kid string, err error) {
	if len(raw) > MaxBytes {
		return "", malformed("the token must have at most 4096 bytes")
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return "", malformed("the token must be three parts joined by dots")
	}
	for _, part := range parts {
		if _, err := segment(part); err != nil {
			return "", malformed("each part of the token must be base64url without padding")
		}
	}
	b, err := segment(parts[0])
	if err != nil {
		return "", err
	}
	fields, ok := object(b)
	if !ok {
		return "", malformed("the token's header must be one JSON object without repeated members")
	}
	for _, name := range []string{"crit", "zip", "b64", "enc"} {
		if _, there := fields[name]; there {
			return "", malformed("the token's header must not have " + name + ", which is not supported")
		}
	}
	if alg, ok := text(fields["alg"]); !ok || alg != "HS256" {
		return "", refused("token_algorithm", "the token must be signed with HS256")
	}
	if kid, ok = text(fields["kid"]); !ok {
		return "", refused("token_unknown_key", "the token's header must have a kid")
	}
	return kid, nil
}

func segment(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // the decoder would skip them
		return nil, malformed("the token must not contain a line break")
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

// rawClaims keeps the JSON of the claims.
type rawClaims struct {
	json []byte
	noGetters
}

// UnmarshalJSON keeps b.
func (r *rawClaims) UnmarshalJSON(b []byte) error {
	r.json = append([]byte(nil), b...)
	return nil
}

// noGetters hides the claims that the library would check by its own, looser rules.
type noGetters struct{}

func (noGetters) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (noGetters) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (noGetters) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (noGetters) GetIssuer() (string, error)                   { return "", nil }
func (noGetters) GetSubject() (string, error)                  { return "", nil }
func (noGetters) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

// object parses one JSON object, comparing names exactly. It refuses repeated names at any depth, of which two
// readers may choose different ones (RFC 8725 section 2.4 and RFC 7519 section 4).
func object(b []byte) (map[string]json.RawMessage, bool) {
	if !utf8.Valid(b) || !json.Valid(b) || !unique(b) {
		return nil, false
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil || fields == nil {
		return nil, false
	}
	return fields, true
}

// unique reports whether no object in valid JSON repeats a member.
func unique(b []byte) bool {
	type level struct {
		members map[string]bool // nil in an array
		value   bool            // a member's value comes next
	}
	var levels []level
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	for {
		t, err := d.Token()
		if err != nil {
			return len(levels) == 0
		}
		switch t {
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
			continue
		}
		if n := len(levels); n > 0 && levels[n-1].members != nil {
			top := &levels[n-1]
			if !top.value {
				name, _ := t.(string)
				if top.members[name] {
					return false
				}
				top.members[name], top.value = true, true
				continue
			}
			top.value = false
		}
		switch t {
		case json.Delim('{'):
			levels = append(levels, level{members: make(map[string]bool)})
		case json.Delim('['):
			levels = append(levels, level{})
		}
	}
}

// text parses a JSON string.
func text(b json.RawMessage) (s string, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(b, &s) == nil
}
