package hub

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

func TestACredentialExpires(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		at := func(d time.Duration) *client {
			p := &tenants.Principal{Tenant: ten, Expires: time.Now().Add(d)}
			return r.with(Subscription{Principal: p}, "", "a").attach()
		}
		soon, later, renewed := at(3*time.Second), at(95*time.Second), at(50*time.Second)
		begin := time.Now()
		r.settle()
		if err := r.hub.Renew(t.Context(), ten, renewed.c.ID(),
			&tenants.Principal{Tenant: ten, Expires: begin.Add(200 * time.Second)}); err != nil {
			t.Error(err)
		}
		for _, c := range []struct {
			*client
			after time.Duration
		}{{soon, 3 * time.Second}, {later, 95 * time.Second}, {renewed, 200 * time.Second}} {
			r.pass(c.after - time.Since(begin) - 200*time.Millisecond)
			if c.now().shut {
				t.Errorf("%v: too early", c.after)
			}
			r.pass(400 * time.Millisecond)
			r.settle()
			if !c.now().shut || c.now().released != 1 ||
				!strings.HasSuffix(c.text(), `hookcast.expired{"detail":"the credential has expired"}@!stop`) {
				t.Errorf("%v: %v %s", c.after, c.now().shut, c.text())
			}
			r.pass(2 * time.Second)
			if !c.now().over {
				t.Errorf("%v: a client that does not close is not closed", c.after)
			}
		}
	})
}

func TestRecheckEndsWhoLostTheRight(t *testing.T) {
	var asked atomic.Int64
	var fail atomic.Bool
	allowed := func(_ context.Context, p *tenants.Principal, channels []string) (Verdict, time.Time, error) {
		asked.Add(1)
		switch {
		case fail.Swap(false):
			return Allowed, time.Time{}, context.DeadlineExceeded
		case channels[0] == "secret":
			return Denied, time.Time{}, nil
		case p.TokenID == "tok_revoked":
			return Expired, time.Time{}, nil
		}
		return Allowed, time.Time{}, nil
	}
	inBubble(t, Options{Allowed: allowed}, func(r *rig) {
		p := &tenants.Principal{Tenant: ten, KeyID: "key_1", Roles: []string{"viewer"}}
		var fine, denied []*client
		for range 10 {
			fine = append(fine, r.with(Subscription{Principal: p}, "", "a").attach())
			denied = append(denied, r.with(Subscription{Principal: p}, "", "secret").attach())
		}
		blocked := denied[3]
		revoked := r.with(Subscription{Principal: &tenants.Principal{Tenant: ten, TokenID: "tok_revoked"}}, "",
			"a").attach()
		r.settle()
		blocked.take(5)
		r.publish("secret", "1")
		r.settle()
		fail.Store(true)
		if err := r.hub.Send(r.t.Context(), "nod_1", tenants.InboxMessage{Tenant: ten}); err != nil {
			t.Fatal(err)
		}
		r.pass(2 * time.Second)
		r.settle()
		for _, x := range fine {
			if x.now().shut || x.now().over {
				t.Error("one who keeps the right was ended")
			}
		}
		for _, x := range denied {
			if x.now().released != 1 || x != blocked &&
				!strings.HasSuffix(x.text(),
					`hookcast.denied{"detail":"the right to subscribe was taken away"}@!stop`) ||
				x == blocked && !x.now().over {
				t.Errorf("denied: %s", x.text())
			}
		}
		if !strings.Contains(revoked.text(), "hookcast.expired") {
			t.Errorf("revoked: %s", revoked.text())
		}
		if n := asked.Load(); n > 6 {
			t.Errorf("asked %d times for 3 rights, twice", n)
		}
	})
}

// A key that is rotated with an overlap gets an end while its streams are open.
func TestACredentialThatIsGivenAnEndExpiresThen(t *testing.T) {
	var until atomic.Pointer[time.Time]
	until.Store(new(time.Time))
	allowed := func(context.Context, *tenants.Principal, []string) (Verdict, time.Time, error) {
		return Allowed, *until.Load(), nil
	}
	for name, overlap := range map[string]time.Duration{"within a turn of the wheel": 3 * time.Second,
		"in an hour": time.Hour} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Allowed: allowed}, func(r *rig) {
				sooner := time.Now().Add(overlap / 2)
				x := r.with(Subscription{Principal: &tenants.Principal{Tenant: ten, KeyID: "key_1"}}, "", "a").attach()
				y := r.with(Subscription{Principal: &tenants.Principal{Tenant: ten, KeyID: "key_1", Expires: sooner,
					Issued: sooner}}, "", "a").attach()
				r.settle()
				until.Store(new(time.Now().Add(overlap)))
				r.hub.Recheck(ten)
				r.pass(overlap - 2*tick)
				if x.now().shut || !strings.Contains(y.text(), "hookcast.expired") {
					t.Fatalf("before its end: %s; of the one that ends sooner: %s", x.text(), y.text())
				}
				r.pass(4 * tick)
				if !strings.Contains(x.text(), "hookcast.expired") || x.now().released != 1 {
					t.Errorf("%s", x.text())
				}
			})
		})
	}
}

func TestWhatIsInMemoryIsForgottenWhenTheTenantChanges(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.connect("", "a")
		r.settle()
		r.publish("a", numbers(1, 5)...)
		r.settle()
		r.edit(func() { r.floor["a"] = 4 }) // purged
		r.hub.Recheck(ten)
		r.settle()
		x := r.connect("1", "a")
		r.settle()
		x.want(`open@1 hookcast.gap{"channel":"a","from":2,"to":3}@3 4@4 5@5`)
	})
}

// A read that began before a purge must not bring back purged events.
func TestWhatIsBeingReadWhenTheTenantChangesIsReadAgain(t *testing.T) {
	const want = `open@1 hookcast.gap{"channel":"a","from":2,"to":3}@3 4@4 5@5`
	for name, topicIsLive := range map[string]bool{"while the topic opens": false, "behind the ring": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(r *rig) {
				r.append("a", numbers(1, 5)...)
				if topicIsLive {
					r.connect("", "a")
					r.settle()
				}
				r.edit(func() { r.delay = 10 * time.Second })
				x := r.connect("1", "a")
				// The log is read half-way through the call; registering interest is a separate call before it.
				reads := func() int { return r.count("read a") }
				before := reads()
				for reads() == before {
					r.pass(time.Second)
				}
				r.edit(func() { r.floor["a"] = 4 }) // purged while the result is on its way
				r.hub.Recheck(ten)
				r.pass(time.Minute)
				if got := strings.ReplaceAll(x.text(), " beat", ""); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				r.edit(func() { r.delay = 0 })
				y := r.connect("1", "a")
				r.settle()
				y.want(want)
			})
		})
	}
}
