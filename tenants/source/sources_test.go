package source_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// verifies returns the index of the source's secret that verifies a request signed with text, or -1.
func verifies(t *testing.T, src source.Source, secrets []signing.Secret, text string) int {
	t.Helper()
	scheme := rig.Ok(src.Scheme())(t)
	secret, err := scheme.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	r := signing.Request{Method: "POST", Header: map[string][]string{}, Body: []byte(`{"a":1}`)}
	header, err := scheme.Sign(secret, r, "delivery-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	v, err := scheme.Verify(r, secrets, time.Now(), signing.Options{})
	if err != nil {
		return -1
	}
	return v.Secret
}

func TestSourceVerifiesByItsToken(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, _, _ := o.SignUp(t)
	made, shown, err := o.Sources.Create(ctx, ten.ID, rig.GithubSource())
	if err != nil {
		t.Fatal(err)
	}
	if shown.Secret != "" || shown.Weak {
		t.Errorf("got %v, want no secret and no warning", shown)
	}
	src, secrets, err := o.Sources.ByToken(ctx, shown.Token)
	if err != nil || src.ID != made.ID || src.Tenant != ten.ID {
		t.Fatalf("got %v, %v, want source %s", src, err, made.ID)
	}
	if i := verifies(t, src, secrets, "It's a Secret to Everybody"); i != 0 {
		t.Errorf("verified by secret %d, want 0", i)
	}
	if i := verifies(t, src, secrets, "another secret"); i != -1 {
		t.Errorf("another secret verifies as %d, want -1", i)
	}
	again := rig.Ok(o.Sources.Get(ctx, ten.ID, made.ID))(t)
	if token := rig.Ok(o.Sources.Token(ctx, again))(t); token != shown.Token {
		t.Error("the token that is shown again is not the one that was created")
	}
	rows := rig.Ok(o.Table.Query(ctx, tenants.Range{Tenant: ten.ID, Kind: "list/sources", Limit: 10}))(t)
	if body := string(rows[0].Body); strings.Contains(body, "Everybody") || strings.Contains(body, shown.Token) {
		t.Error("the stored row contains a secret")
	}
}

func TestSourceSecretMadeHere(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, _, _ := o.SignUp(t)
	spec := source.Spec{Name: "own", Provider: "standard-webhooks", Channel: "own"}
	_, shown, err := o.Sources.Create(ctx, ten.ID, spec)
	if err != nil {
		t.Fatal(err)
	}
	src, secrets, err := o.Sources.ByToken(ctx, shown.Token)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(shown.Secret, "whsec_") || verifies(t, src, secrets, shown.Secret) != 0 {
		t.Errorf("a request signed with the new secret does not verify")
	}
	spec.Provider = "stripe" // Stripe chooses the secrets
	_, _, err = o.Sources.Create(ctx, ten.ID, spec)
	rig.WantError(t, err, tenants.Unprocessable, "invalid_secret")
}

func TestSourceWithoutVerificationSaysSo(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, _, _ := o.SignUp(t)
	_, shown, err := o.Sources.Create(ctx, ten.ID, source.Spec{Name: "open", Provider: "none", Channel: "open"})
	if err != nil {
		t.Fatal(err)
	}
	src, secrets, err := o.Sources.ByToken(ctx, shown.Token)
	if err != nil || len(secrets) != 0 {
		t.Fatalf("got %d secrets, %v, want 0", len(secrets), err)
	}
	if scheme := rig.Ok(src.Scheme())(t); !scheme.None() {
		t.Error("the scheme of provider none claims to verify")
	}
}

func TestSourceRefuses(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, _, _ := o.SignUp(t)
	writes := o.Table.Count("Write")
	for _, c := range []struct {
		code   string
		change func(*source.Spec)
	}{
		{"invalid_name", func(s *source.Spec) { s.Name = "" }},
		{"provider_unknown", func(s *source.Spec) { s.Provider = "githib" }},
		{"provider_unknown", func(s *source.Spec) { s.Provider = "" }},
		{"invalid_secret", func(s *source.Spec) { s.Secret = " padded secret" }},
		{"invalid_secret", func(s *source.Spec) { s.Secret = "ghp_notasigningsecret" }},
		{"invalid_secret", func(s *source.Spec) { s.Provider, s.Secret = "none", "something" }},
		{"invalid_channel", func(s *source.Spec) { s.Channel = "" }},
		{"invalid_channel", func(s *source.Spec) { s.Channel = "Git/Hub" }},
		{"invalid_channel", func(s *source.Spec) { s.Channel = "github.{" }},
		{"invalid_channel", func(s *source.Spec) { s.Fallback = "github.{type}" }},
		{"invalid_channel", func(s *source.Spec) { s.Channel = "github" }}, // with a fallback that would never be used
		{"invalid_tolerance", func(s *source.Spec) { s.Tolerance = 2 * time.Hour }},
		{"invalid_tolerance", func(s *source.Spec) { s.Tolerance = -time.Second }},
		{"invalid_custom", func(s *source.Spec) { s.Custom = &signing.Custom{Header: "X-Mine"} }},
		{"invalid_custom", func(s *source.Spec) { s.Provider, s.Custom = "hmac", &signing.Custom{Algorithm: "md5"} }},
	} {
		spec := rig.GithubSource()
		c.change(&spec)
		_, _, err := o.Sources.Create(ctx, ten.ID, spec)
		rig.WantError(t, err, tenants.Unprocessable, c.code)
		if strings.Contains(err.Error(), "Everybody") || strings.Contains(err.Error(), "notasigning") {
			t.Errorf("the error contains the secret: %v", err)
		}
	}
	if o.Table.Count("Write") != writes {
		t.Error("a refused source was stored")
	}
}

func TestSourceTokenJunkCostsNoRead(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, _, _ := o.SignUp(t)
	_, shown, err := o.Sources.Create(ctx, ten.ID, rig.GithubSource())
	if err != nil {
		t.Fatal(err)
	}
	reads := o.Table.Count("Get") + o.Table.Count("Query")
	good := shown.Token
	flip := func(i int) string {
		b := []byte(good)
		b[i] = map[bool]byte{true: '1', false: '0'}[b[i] == '0']
		return string(b)
	}
	for _, token := range []string{"", "x", good[:35], good + "0", flip(0), flip(25), flip(26), flip(35),
		strings.ToUpper(good), strings.Repeat("0", 36), good + "/", "../" + good} {
		_, _, err := o.Sources.ByToken(ctx, token)
		rig.WantError(t, err, tenants.NotFound, "source_not_found")
	}
	if n := o.Table.Count("Get") + o.Table.Count("Query") - reads; n != 0 {
		t.Errorf("invalid tokens cost %d reads, want 0", n)
	}
	stranger := rig.NewOffice(t) // another deployment's token is invalid here
	sten, _, _ := stranger.SignUp(t)
	_, foreign, err := stranger.Sources.Create(ctx, sten.ID, rig.GithubSource())
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = o.Sources.ByToken(ctx, foreign.Token)
	rig.WantError(t, err, tenants.NotFound, "source_not_found")
}

func TestSourceSecretsRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := rig.NewOffice(t), context.Background()
		ten, _, _ := o.SignUp(t)
		made, shown, err := o.Sources.Create(ctx, ten.ID, rig.GithubSource())
		if err != nil {
			t.Fatal(err)
		}
		overlap := time.Hour
		second, _, err := o.Sources.AddSecret(ctx, ten.ID, made.ID,
			source.SecretSpec{Secret: "the second secret", Overlap: &overlap})
		if err != nil {
			t.Fatal(err)
		}
		both := func(first, second int) {
			t.Helper()
			src, secrets, err := o.Sources.ByToken(ctx, shown.Token)
			if err != nil || len(src.Secrets) != len(secrets) {
				t.Fatalf("got %d sealed and %d opened secrets, %v, want the same number", len(src.Secrets),
					len(secrets), err)
			}
			if got := verifies(t, src, secrets, "It's a Secret to Everybody"); got != first {
				t.Errorf("the first secret verifies as %d, want %d", got, first)
			}
			if got := verifies(t, src, secrets, "the second secret"); got != second {
				t.Errorf("the second secret verifies as %d, want %d", got, second)
			}
		}
		both(0, 1)
		time.Sleep(time.Hour - time.Second)
		both(0, 1)
		time.Sleep(time.Second) // it is cached, and over nevertheless
		both(-1, 0)
		rig.WantError(t, o.Sources.RemoveSecret(ctx, ten.ID, made.ID, second.ID), tenants.Conflict, "last_secret")
		rig.WantError(t, o.Sources.RemoveSecret(ctx, ten.ID, made.ID, "sec_x"), tenants.NotFound, "secret_not_found")
		for i := range source.MaxSecrets - 1 {
			if _, _, err := o.Sources.AddSecret(ctx, ten.ID, made.ID,
				source.SecretSpec{Secret: fmt.Sprint("secret number ", i)}); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err = o.Sources.AddSecret(ctx, ten.ID, made.ID, source.SecretSpec{Secret: "one too many"})
		rig.WantError(t, err, tenants.Conflict, "secret_limit")
		if err := o.Sources.RemoveSecret(ctx, ten.ID, made.ID, second.ID); err != nil {
			t.Fatal(err)
		}
		both(-1, -1)
	})
}

func TestSourceURLRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := rig.NewOffice(t), context.Background()
		ten, _, _ := o.SignUp(t)
		made, shown, err := o.Sources.Create(ctx, ten.ID, rig.GithubSource())
		if err != nil {
			t.Fatal(err)
		}
		reach := func(token string, want bool) {
			t.Helper()
			if _, _, err := o.Sources.ByToken(ctx, token); (err == nil) != want {
				t.Errorf("got %v, want the source to be found: %v", err, want)
			}
		}
		_, second, err := o.Sources.RotateURL(ctx, ten.ID, made.ID, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		reach(shown.Token, true)
		reach(second, true)
		time.Sleep(time.Minute - 2*time.Second)
		reach(shown.Token, true)
		time.Sleep(2 * time.Second) // it is cached, and over nevertheless
		reach(shown.Token, false)
		reach(second, true)
		_, third, err := o.Sources.RotateURL(ctx, ten.ID, made.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		reach(second, false)
		reach(third, true)
		for range source.MaxTokens - 1 {
			if _, third, err = o.Sources.RotateURL(ctx, ten.ID, made.ID, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err = o.Sources.RotateURL(ctx, ten.ID, made.ID, time.Hour)
		rig.WantError(t, err, tenants.Conflict, "url_limit")
		if src := rig.Ok(o.Sources.Get(ctx, ten.ID, made.ID))(t); rig.Ok(o.Sources.Token(ctx, src))(t) != third {
			t.Error("the token that is shown is not the newest")
		}
		_, _, err = o.Sources.RotateURL(ctx, ten.ID, made.ID, 8*24*time.Hour)
		rig.WantError(t, err, tenants.Unprocessable, "invalid_overlap")
		if err := o.Sources.Delete(ctx, ten.ID, made.ID); err != nil {
			t.Fatal(err)
		}
		reach(third, false)
		rig.WantError(t, o.Sources.Delete(ctx, ten.ID, made.ID), tenants.NotFound, "source_not_found")
	})
}

func TestSourceUpdateChecksTheWhole(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	ten, _, _ := o.SignUp(t)
	made, shown, err := o.Sources.Create(ctx, ten.ID,
		source.Spec{Name: "generic", Provider: "hmac", Secret: "not in hex at all", Channel: "generic"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.Sources.Update(ctx, ten.ID, made.ID, source.Patch{Custom: &signing.Custom{SecretEncoding: "hex"}})
	rig.WantError(t, err, tenants.Unprocessable, "invalid_secret")
	bad := "no/channel"
	_, err = o.Sources.Update(ctx, ten.ID, made.ID, source.Patch{Channel: &bad})
	rig.WantError(t, err, tenants.Unprocessable, "invalid_channel")
	rig.Ok(o.Sources.Update(ctx, ten.ID, made.ID,
		source.Patch{Custom: &signing.Custom{Header: "X-Mine", Algorithm: "sha512"}}))(t)
	src, secrets, err := o.Sources.ByToken(ctx, shown.Token)
	if err != nil || src.Custom == nil || src.Custom.Header != "X-Mine" ||
		verifies(t, src, secrets, "not in hex at all") != 0 {
		t.Errorf("after the update: got %+v, %v, want the header X-Mine", src.Custom, err)
	}
	rig.Ok(o.Sources.Update(ctx, ten.ID, made.ID, source.Patch{Custom: &signing.Custom{}}))(t)
	if src := rig.Ok(o.Sources.Get(ctx, ten.ID, made.ID))(t); src.Custom != nil {
		t.Error("the zero Custom does not remove the source's")
	}
}

func TestSourceLimitHoldsAgainstManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := tenantstest.Faults{Seed: 3, Latency: 5 * time.Millisecond, Torn: 0.5}
		o, ctx := rig.OfficeOver(t, tenantstest.NewTable(faults)), context.Background()
		ten, _, _ := o.SignUp(t)
		five := int64(5)
		rig.Ok(o.Accounts.UpdateAsOperator(ctx, ten.ID,
			account.OperatorPatch{Limits: map[string]*int64{"sources": &five}}))(t)
		var mu sync.Mutex
		codes := make(map[string]int)
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				_, _, err := o.Sources.Create(ctx, ten.ID, rig.GithubSource())
				mu.Lock()
				codes[tenants.CodeOf(err)]++
				mu.Unlock()
			})
		}
		wg.Wait()
		rows := rig.Ok(o.Table.Query(ctx, tenants.Range{Tenant: ten.ID, Kind: "list/sources", Limit: 100}))(t)
		answered := codes[""] + codes["source_limit"] + codes["changed_meanwhile"]
		if len(rows) != codes[""] || len(rows) > 5 || answered != 12 ||
			codes[""] < 5 && codes["changed_meanwhile"] == 0 {
			t.Errorf("%d sources, answers %v, want at most 5 and an answer for each of 12 calls", len(rows), codes)
		}
	})
}

func TestSourcesAreTheTenantsOwn(t *testing.T) {
	o, ctx := rig.NewOffice(t), context.Background()
	a, _, _ := o.SignUp(t)
	b, _, _ := o.SignUp(t)
	made, shown, err := o.Sources.Create(ctx, a.ID, rig.GithubSource())
	if err != nil {
		t.Fatal(err)
	}
	name := "stolen"
	for what, call := range map[string]func() error{
		"Get": func() error { _, err := o.Sources.Get(ctx, b.ID, made.ID); return err },
		"Update": func() error {
			_, err := o.Sources.Update(ctx, b.ID, made.ID, source.Patch{Name: &name})
			return err
		},
		"Delete":    func() error { return o.Sources.Delete(ctx, b.ID, made.ID) },
		"RotateURL": func() error { _, _, err := o.Sources.RotateURL(ctx, b.ID, made.ID, 0); return err },
		"AddSecret": func() error {
			_, _, err := o.Sources.AddSecret(ctx, b.ID, made.ID, source.SecretSpec{Secret: "a new secret"})
			return err
		},
		"RemoveSecret": func() error { return o.Sources.RemoveSecret(ctx, b.ID, made.ID, made.Secrets[0].ID) },
	} {
		if err := call(); tenants.CodeOf(err) != "source_not_found" {
			t.Errorf("%s of another tenant's source: got %v, want source_not_found", what, err)
		}
	}
	if list, _, err := o.Sources.List(ctx, b.ID, "", 100); err != nil || len(list) != 0 {
		t.Errorf("the other tenant lists %v, %v, want nothing", list, err)
	}
	list, next, err := o.Sources.List(ctx, a.ID, "", 100)
	if err != nil || next != "" || !slices.ContainsFunc(list, func(s source.Source) bool { return s.ID == made.ID }) {
		t.Errorf("the owner lists %v, %v, want %s", list, err, made.ID)
	}
	if _, _, err := o.Sources.ByToken(ctx, shown.Token); err != nil {
		t.Error(err)
	}
}
