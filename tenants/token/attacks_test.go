package token_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Tokens of hostile or careless signers, and the code that refuses them. If kept is set, the attacker has the
// tenant's own key.
func TestVerifyRefuses(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	other := processOn(t, r.table, r.vault)
	victim, _, _, err := other.accounts.Signup(ctx, "Victim", "v@example.com")
	if err != nil {
		t.Fatal(err)
	}
	stranger := newRig(t) // from another deployment
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	type m = map[string]any
	signed := func(header, claims m) string { return r.sign(t, r.header(header), r.claims(claims)) }
	good := signed(nil, nil)
	parts := strings.Split(good, ".")
	claims := text(t, r.claims(nil))
	header := text(t, r.header(nil))
	twice := func(member string) string { return strings.TrimSuffix(claims, "}") + "," + member + "}" }

	for name, c := range map[string]struct{ raw, code string }{
		"nothing":              {"", "token_malformed"},
		"junk":                 {"junk", "token_malformed"},
		"two parts":            {parts[0] + "." + parts[1], "token_malformed"},
		"four parts":           {good + ".x", "token_malformed"},
		"five parts, as JWE":   {good + ".x.y", "token_malformed"},
		"padding":              {parts[0] + "=." + parts[1] + "." + parts[2], "token_malformed"},
		"line break":           {good + "\n", "token_malformed"},
		"standard base64":      {"+/" + good, "token_malformed"},
		"4,097 bytes":          {signed(nil, m{"fill": strings.Repeat("x", 4000)}), "token_malformed"},
		"1 MB":                 {strings.Repeat("x", 1<<20), "token_malformed"},
		"1 MB of dots":         {strings.Repeat(".", 1<<20), "token_malformed"},
		"header not an object": {r.sign(t, `"HS256"`, claims), "token_malformed"},
		"header null":          {r.sign(t, `null`, claims), "token_malformed"},
		"header with alg twice": {r.sign(t, `{"alg":"HS256",`+strings.TrimPrefix(header, "{"), claims),
			"token_malformed"},
		"header deep":        {r.sign(t, strings.Repeat(`[`, 2000), claims), "token_malformed"},
		"crit":               {signed(m{"crit": []string{"exp"}}, nil), "token_malformed"},
		"b64 false":          {signed(m{"b64": false}, nil), "token_malformed"},
		"zip":                {signed(m{"zip": "DEF"}, nil), "token_malformed"},
		"alg none, unsigned": {unsigned(text(t, r.header(m{"alg": "none"})), claims), "token_algorithm"},
		"alg None":           {unsigned(text(t, r.header(m{"alg": "None"})), claims), "token_algorithm"},
		"alg missing":        {signed(m{"alg": nil}, nil), "token_algorithm"},
		"alg number":         {signed(m{"alg": 256}, nil), "token_algorithm"},
		"alg ALG in capitals": {r.sign(t, strings.Replace(header, `"alg"`, `"ALG"`, 1), claims),
			"token_algorithm"},
		"alg RS256":    {signed(m{"alg": "RS256"}, nil), "token_algorithm"},
		"alg ES256":    {signed(m{"alg": "ES256"}, nil), "token_algorithm"},
		"alg HS512":    {signed(m{"alg": "HS512"}, nil), "token_algorithm"},
		"kid missing":  {signed(m{"kid": nil}, nil), "token_unknown_key"},
		"kid a number": {signed(m{"kid": 7}, nil), "token_unknown_key"},
		"kid a path": {signRaw(text(t, r.header(m{"kid": "../../dev/null"})), claims, ""),
			"token_unknown_key"},
		"kid SQL": {signed(m{"kid": "' OR 1=1 --"}, nil), "token_unknown_key"},
		"kid URL": {signed(m{"kid": "https://evil.example/key"}, nil), "token_unknown_key"},
		"kid of its form, not ours": {signed(m{"kid": strings.Repeat("0", len(r.signer.KID))}, nil),
			"token_unknown_key"},
		"kid of another deployment": {stranger.sign(t, stranger.header(nil), r.claims(nil)), "token_unknown_key"},
		"kid with another tenant's": {signed(m{"kid": string(victim.ID)[4:] + r.signer.KID[26:]}, nil),
			"token_unknown_key"},
		"another key":  {signRaw(header, claims, "guess"), "token_signature"},
		"no key":       {signRaw(header, claims, ""), "token_signature"},
		"no signature": {parts[0] + "." + parts[1] + ".", "token_signature"},
		"other claims": {parts[0] + "." +
			strings.Split(signRaw(header, text(t, r.claims(m{"sub": "bob"})), "x"), ".")[1] + "." + parts[2],
			"token_signature"},
		"claims not JSON": {r.sign(t, header, "x"), "token_signature"},
		"claims a token":  {r.sign(t, header, `"`+good+`"`), "token_malformed"},
		"claims null":     {r.sign(t, header, "null"), "token_malformed"},
		"claims an array": {r.sign(t, header, "[]"), "token_malformed"},
		"claims with invalid UTF-8": {r.sign(t, header, strings.Replace(claims, "alice", "al\xffce", 1)),
			"token_malformed"},
		"sub twice":               {r.sign(t, header, twice(`"sub":"bob"`)), "token_malformed"},
		"sub twice, once escaped": {r.sign(t, header, twice(`"s\u0075b":"bob"`)), "token_malformed"},
		"twice below":             {r.sign(t, header, twice(`"x":[{"a":1,"a":2}]`)), "token_malformed"},
		"no aud":                  {signed(nil, m{"aud": nil}), "token_audience"},
		"aud of others":           {signed(nil, m{"aud": "https://api.example"}), "token_audience"},
		"aud HOOKCAST":            {signed(nil, m{"aud": "HOOKCAST"}), "token_audience"},
		"aud an array":            {signed(nil, m{"aud": []string{"hookcast", "other"}}), "token_audience"},
		"AUD in capitals": {r.sign(t, header, strings.Replace(claims, `"aud"`, `"AUD"`, 1)),
			"token_audience"},
		"no tenant":      {signed(nil, m{"tenant": nil}), "token_tenant"},
		"another tenant": {signed(nil, m{"tenant": string(victim.ID)}), "token_tenant"},
		"tenant sys":     {signed(nil, m{"tenant": "sys"}), "token_tenant"},
		"no exp":         {signed(nil, m{"exp": nil}), "token_lifetime"},
		"exp null":       {signed(nil, m{"exp": json.RawMessage("null")}), "token_lifetime"},
		"exp a string":   {signed(nil, m{"exp": "1893456000"}), "token_lifetime"},
		"exp 1e20":       {signed(nil, m{"exp": json.RawMessage("1e20")}), "token_lifetime"},
		"exp 1e400":      {signed(nil, m{"exp": json.RawMessage("1e400")}), "token_lifetime"},
		"exp of 20 digits": {signed(nil, m{"exp": json.RawMessage("99999999999999999999")}),
			"token_lifetime"},
		"exp in milliseconds":  {signed(nil, m{"exp": time.Now().UnixMilli()}), "token_lifetime"},
		"exp negative":         {signed(nil, m{"exp": -1}), "token_lifetime"},
		"exp true":             {signed(nil, m{"exp": true}), "token_lifetime"},
		"exp an array":         {signed(nil, m{"exp": []int64{in(time.Hour)}}), "token_lifetime"},
		"exp in 25 hours":      {signed(nil, m{"exp": in(25 * time.Hour)}), "token_lifetime"},
		"exp zero":             {signed(nil, m{"exp": 0}), "token_expired"},
		"expired a second ago": {signed(nil, m{"exp": in(-time.Second)}), "token_expired"},
		"nbf in two minutes":   {signed(nil, m{"nbf": in(2 * time.Minute)}), "token_not_yet"},
		"iat in two minutes":   {signed(nil, m{"iat": in(2 * time.Minute)}), "token_not_yet"},
		"iat a string":         {signed(nil, m{"iat": "now"}), "token_lifetime"},
		"no sub":               {signed(nil, m{"sub": nil}), "token_claims"},
		"sub a number":         {signed(nil, m{"sub": 7}), "token_claims"},
		"sub with NUL":         {signed(nil, m{"sub": "a\x00b"}), "token_claims"},
		"sub half a surrogate": {r.sign(t, header, strings.Replace(claims, "alice", `\ud800`, 1)),
			"token_claims"},
		"role owner":              {signed(nil, m{"roles": []string{"owner"}}), "token_claims"},
		"role admin among others": {signed(nil, m{"roles": []string{"viewer", "admin"}}), "token_claims"},
		"role operator":           {signed(nil, m{"roles": []string{"operator"}}), "token_claims"},
		"roles a string":          {signed(nil, m{"roles": "viewer"}), "token_claims"},
		"roles null":              {signed(nil, m{"roles": json.RawMessage("null")}), "token_claims"},
		"role of two":             {signed(nil, m{"roles": []string{"viewer,admin"}}), "token_claims"},
		"no channels":             {signed(nil, m{"channels": nil}), "token_claims"},
		"channels null":           {signed(nil, m{"channels": json.RawMessage("null")}), "token_claims"},
		"channels empty":          {signed(nil, m{"channels": []string{}}), "token_claims"},
		"channels a string":       {signed(nil, m{"channels": "*"}), "token_claims"},
		"51 channels": {signed(nil, m{"channels": strings.Split(strings.Repeat("a ", 51), " ")[:51]}),
			"token_claims"},
		"channels with a bad pattern": {signed(nil, m{"channels": []string{"orders.*", "**"}}), "token_claims"},
		"jti empty":                   {signed(nil, m{"jti": ""}), "token_claims"},
		"jti of 1,000 bytes":          {signed(nil, m{"jti": strings.Repeat("j", 1000)}), "token_claims"},
	} {
		t.Run(name+" is "+c.code, func(t *testing.T) {
			p, err := r.tokens.Verify(ctx, c.raw)
			wantCode(t, err, c.code)
			if p.Tenant != "" || p.Subject != "" {
				t.Errorf("got the principal %+v with the error, want none", p)
			}
			if err != nil && (strings.Contains(err.Error(), r.secret) || len(err.Error()) > 300) {
				t.Errorf("the error reveals too much: %.400s", err)
			}
		})
	}
	if _, err := r.tokens.Verify(ctx, good); err != nil {
		t.Errorf("the valid token: got %v, want accepted", err)
	}
}

func unsigned(header, claims string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(header)) +
		"." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "."
}

func TestJunkTokensCostNoRead(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	reads := r.reads()
	for i := range 200 {
		kid := []byte(r.signer.KID)
		kid[i%len(kid)] = map[bool]byte{true: '1', false: '0'}[kid[i%len(kid)] == '0']
		_, err := r.tokens.Verify(ctx, r.sign(t, r.header(map[string]any{"kid": string(kid)}), r.claims(nil)))
		wantCode(t, err, "token_unknown_key")
	}
	if n := r.reads() - reads; n != 0 {
		t.Errorf("invalid tokens cost %d reads, want none", n)
	}
}

func FuzzVerify(f *testing.F) {
	r := newRig(f)
	f.Add(`{"alg":"HS256","kid":"`+r.signer.KID+`"}`,
		`{"aud":"hookcast","exp":1,"tenant":"`+string(r.tenant)+`","sub":"a","channels":["*"]}`, true)
	f.Add(`{"alg":"none"}`, `{}`, false)
	f.Add(`{"alg":"HS256","alg":"none","kid":"x"}`, `[[[[`, true)
	f.Fuzz(func(t *testing.T, header, claims string, right bool) {
		secret := "wrong"
		if right {
			secret = r.secret
		}
		p, err := r.tokens.Verify(context.Background(), signRaw(header, claims, secret))
		if err != nil {
			return
		}
		if !right {
			t.Fatal("a forged token is accepted")
		}
		now := time.Now()
		if p.Tenant != r.tenant || p.Operator || p.KeyID != "" || p.TokenID == "" || p.Subject == "" ||
			len(p.Channels) == 0 || len(p.Channels) > 50 ||
			!p.Expires.After(now.Add(-time.Second)) || p.Expires.After(now.Add(25*time.Hour)) {
			t.Fatalf("accepted as %+v", p)
		}
		for _, role := range p.Roles {
			if role == "owner" || role == "admin" || role == "operator" || role == "signer" {
				t.Fatalf("a token has the role %s", role)
			}
		}
	})
}
