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

// Verify returns who a token speaks for. Anything but a token that holds: Unauthenticated, with one of the codes
//
//	token_malformed    no JWT of ours by its form; more than 4096 bytes
//	token_algorithm    another algorithm than HS256
//	token_unknown_key  a kid that this deployment did not make (found out without I/O), or whose key is gone
//	token_signature    not signed with that key
//	token_audience     aud is not the string "hookcast"
//	token_tenant       tenant is not the one whose key signed it
//	token_lifetime     exp is missing, no plain number, or more than 24 hours ahead
//	token_expired
//	token_not_yet      nbf or iat are ahead of our clock by more than 60 s
//	token_claims       sub, roles or channels are missing or not as they may be
//	token_revoked
//
// and Forbidden tenant_suspended. It may go on by what it read of keys and revocations up to 5 s ago.
func (t *Tokens) Verify(ctx context.Context, raw string) (tenants.Principal, error) {
	p, err := t.parse(ctx, raw)
	if err != nil {
		return tenants.Principal{}, err
	}
	if _, err := t.accounts.Active(ctx, p.Tenant); err != nil {
		if tenants.KindOf(err) == tenants.NotFound {
			err = refused("token_unknown_key", "the token's kid names no key of this deployment")
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

// parse is Verify without the tenant's state and revocations.
func (t *Tokens) parse(ctx context.Context, raw string) (tenants.Principal, error) {
	kid, err := header(raw)
	if err != nil {
		return tenants.Principal{}, err
	}
	signer, err := t.signers.Find(ctx, kid)
	if err != nil {
		return tenants.Principal{}, err
	}
	// The claims are read by ourselves, strictly, once the signature has passed; the library checks the form and the signature.
	var body raws
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	if _, err := parser.ParseWithClaims(raw, &body, func(*jwt.Token) (any, error) { return signer.Key, nil }); err != nil {
		return tenants.Principal{}, refused("token_signature", "the token is not signed with the key that its kid names")
	}
	return principal(body.json, raw, signer, time.Now())
}

func refused(code, detail string) *tenants.Error {
	return tenants.Errorf(tenants.Unauthenticated, code, "%s", detail)
}

func malformed(detail string) *tenants.Error { return refused("token_malformed", detail) }

// header reads what is needed before a key can be looked up. Nothing else in it is followed: a key or the address of one that
// the token brings along (jwk, jku, x5c, x5u) is ignored; what would change how the token is to be read is refused.
func header(raw string) (kid string, err error) {
	if len(raw) > MaxBytes {
		return "", malformed("the token is longer than 4096 bytes")
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return "", malformed("a token is three parts joined by dots")
	}
	for _, part := range parts {
		if _, err := segment(part); err != nil {
			return "", malformed("a part of the token is not base64url without padding")
		}
	}
	b, err := segment(parts[0])
	if err != nil {
		return "", err
	}
	fields, ok := object(b)
	if !ok {
		return "", malformed("the token's header is not one JSON object in which no member stands twice")
	}
	for _, name := range []string{"crit", "zip", "b64", "enc"} {
		if _, there := fields[name]; there {
			return "", malformed("the token's header has " + name + ", which is not supported")
		}
	}
	if alg, ok := text(fields["alg"]); !ok || alg != "HS256" {
		return "", refused("token_algorithm", "the token must be signed with HS256")
	}
	if kid, ok = text(fields["kid"]); !ok {
		return "", refused("token_unknown_key", "the token's header has no kid")
	}
	return kid, nil
}

func segment(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // which the decoder would skip
		return nil, malformed("a part of the token holds a line break")
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

// raws keeps the claims' JSON as it is.
type raws struct {
	json []byte
	noGetters
}

// UnmarshalJSON keeps b.
func (r *raws) UnmarshalJSON(b []byte) error {
	r.json = append([]byte(nil), b...)
	return nil
}

// noGetters are the claims that the library would check by its own, looser rules.
type noGetters struct{}

func (noGetters) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (noGetters) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (noGetters) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (noGetters) GetIssuer() (string, error)                   { return "", nil }
func (noGetters) GetSubject() (string, error)                  { return "", nil }
func (noGetters) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

// object reads one JSON object, names compared exactly. It refuses a name that stands twice, at any depth: two readers may take
// another one each (RFC 8725 section 2.4 and RFC 7519 section 4).
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

// unique tells whether no object in valid JSON has a member twice.
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

// text reads a JSON string.
func text(b json.RawMessage) (s string, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(b, &s) == nil
}
