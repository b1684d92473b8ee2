package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// alice returns a token of hers issued now.
func alice(id string, life time.Duration) *tenants.Principal {
	return &tenants.Principal{Tenant: ten, Subject: "alice", TokenID: id, Issued: time.Now(),
		Expires: time.Now().Add(life)}
}

// A stream is warned once before its credential expires, and continues if it is renewed.
func TestACredentialThatComesToItsEndIsToldAndRenewedInPlace(t *testing.T) {
	for _, life := range []time.Duration{10 * time.Second, 100 * time.Second, time.Hour} {
		t.Run(life.String(), func(t *testing.T) {
			inBubble(t, Options{Heartbeat: 24 * time.Hour}, func(r *rig) {
				x := r.with(Subscription{Principal: alice("tok_1", life)}, "", "a").attach()
				r.settle()
				for n := range 3 {
					until := time.Now().Add(life)
					ahead := min(life/5, time.Minute)
					r.pass(life - ahead - time.Second)
					r.settle()
					if got := strings.Count(x.text(), "hookcast.expiring"); got != n {
						t.Fatalf("told %d times, too early", got)
					}
					r.pass(ahead/2 + 1200*time.Millisecond)
					r.settle()
					want := fmt.Sprintf(`hookcast.expiring{"connection_id":"%s","expires_at":"%s"}`, x.c.ID(),
						until.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano))
					if got := strings.Count(x.text(), "hookcast.expiring"); got != n+1 ||
						!strings.Contains(x.text(), want) {
						t.Fatalf("told %d times: %s, want %s", got, x.text(), want)
					}
					if err := r.hub.Renew(t.Context(), ten, x.c.ID(),
						alice(fmt.Sprint("tok_", n+2), life)); err != nil {
						t.Fatal(err)
					}
				}
				r.publish("a", "still")
				r.settle()
				if !strings.HasSuffix(x.text(), "still@1") {
					t.Errorf("%s", x.text())
				}
				r.pass(life + time.Second)
				r.settle()
				if !x.now().shut || !strings.HasSuffix(x.text(), "@!stop") ||
					!strings.Contains(x.text(), "hookcast.expired") {
					t.Errorf("not renewed any more, the stream is %s", x.text())
				}
			})
		})
	}
}

// A token that was nearly expired when it came in is warned of right after the first frame.
func TestACredentialThatIsNearlyOverIsToldAtOnce(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		p := alice("tok_1", time.Hour)
		r.pass(time.Hour - 20*time.Second)
		x := r.with(Subscription{Principal: p}, "", "a").attach()
		r.pass(2 * time.Second)
		r.settle()
		if got := x.text(); !strings.HasPrefix(got, "open@0") || strings.Count(got, "hookcast.expiring") != 1 {
			t.Errorf("%s", got)
		}
	})
}

func TestARenewalDoesNotChangeWhoListens(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.with(Subscription{Principal: alice("tok_1", time.Minute)}, "", "a").attach()
		byKey := r.with(Subscription{Principal: &tenants.Principal{Tenant: ten, KeyID: "key_1"}}, "", "a").attach()
		r.settle()
		change := func(f func(*tenants.Principal)) *tenants.Principal {
			p := alice("tok_2", time.Hour)
			f(p)
			return p
		}
		for name, c := range map[string]struct {
			tenant tenants.TenantID
			id     string
			p      *tenants.Principal
			code   string
		}{
			"another subject": {ten, x.c.ID(), change(func(p *tenants.Principal) {
				p.Subject = "bob"
			}), "connection_of_another"},
			"a key": {ten, x.c.ID(), change(func(p *tenants.Principal) {
				p.Subject, p.KeyID = "", "key_1"
			}), "connection_of_another"},
			"a token where there was a key": {ten, byKey.c.ID(), alice("tok_2", time.Hour), "connection_of_another"},
			"another key": {ten, byKey.c.ID(), &tenants.Principal{Tenant: ten, KeyID: "key_2"},
				"connection_of_another"},
			"another tenant's": {"ten_b", x.c.ID(), change(func(p *tenants.Principal) {
				p.Tenant = "ten_b"
			}), "connection_not_found"},
			"another tenant's, said to be its": {ten, x.c.ID(), change(func(p *tenants.Principal) {
				p.Tenant = "ten_b"
			}), "connection_of_another"},
			"no such connection": {ten, tenants.NewID(tenants.PrefixConnection), alice("tok_2", time.Hour),
				"connection_not_found"},
		} {
			if err := r.hub.Renew(t.Context(), c.tenant, c.id, c.p); tenants.CodeOf(err) != c.code {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := r.hub.Renew(t.Context(), ten, byKey.c.ID(),
			&tenants.Principal{Tenant: ten, KeyID: "key_1"}); err != nil {
			t.Errorf("the same key: %v", err)
		}
		if list := r.hub.Connections(ten); len(list) != 2 || list[0].Principal.TokenID != "tok_1" {
			t.Errorf("%+v", list[0].Principal)
		}
		if !r.hub.Disconnect(ten, x.c.ID()) {
			t.Error("not there")
		}
		if err := r.hub.Renew(t.Context(), ten, x.c.ID(),
			alice("tok_2", time.Hour)); tenants.CodeOf(err) != "connection_not_found" {
			t.Errorf("one that was closed: %v", err)
		}
	})
}

// A credential without the right, or whose right is unknown, leaves the connection as it is; one that lost its right
// while it was taken over ends it.
func TestARenewalIsWeighed(t *testing.T) {
	var verdict atomic.Pointer[func(id string) (Verdict, error)]
	say := func(f func(id string) (Verdict, error)) { verdict.Store(&f) }
	o := Options{Allowed: func(_ context.Context, p *tenants.Principal, _ []string) (Verdict, time.Time, error) {
		v, err := (*verdict.Load())(p.TokenID)
		return v, time.Time{}, err
	}}
	inBubble(t, o, func(r *rig) {
		x := r.with(Subscription{Principal: alice("tok_1", time.Hour)}, "", "a").attach()
		r.settle()
		renew := func() error { return r.hub.Renew(t.Context(), ten, x.c.ID(), alice("tok_2", 2*time.Hour)) }
		down := errors.New("down")
		for want, f := range map[string]func(string) (Verdict, error){
			"channel_forbidden": func(string) (Verdict, error) { return Denied, nil },
			"token_expired":     func(string) (Verdict, error) { return Expired, nil },
			"down":              func(string) (Verdict, error) { return Denied, down },
		} {
			say(f)
			if err := renew(); err == nil || tenants.CodeOf(err) != want && !errors.Is(err, down) {
				t.Errorf("%s: %v", want, err)
			}
		}
		if got := r.hub.Connections(ten); len(got) != 1 || got[0].Principal.TokenID != "tok_1" {
			t.Fatalf("%+v", got)
		}
		asked := 0
		say(func(string) (Verdict, error) {
			if asked++; asked == 1 {
				return Allowed, nil
			}
			return Denied, nil
		})
		if err := renew(); err != nil {
			t.Error(err)
		}
		r.settle()
		if got := x.text(); !strings.Contains(got, "hookcast.denied") {
			t.Errorf("%s", got)
		}
	})
}
