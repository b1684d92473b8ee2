package streamer

import (
	"context"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/erasure"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/token"
)

// TestAnOpenStreamThatLostItsRightEndsWithinTwoSeconds opens a stream with a credential, takes the right away, and
// waits for the frame that says so.
func TestAnOpenStreamThatLostItsRightEndsWithinTwoSeconds(t *testing.T) {
	const channel = "a"
	for name, take := range map[string]func(ctx context.Context, w *world, id tenants.TenantID, key account.APIKey,
		subject string) error{
		"the account is suspended": func(ctx context.Context, w *world, id tenants.TenantID, _ account.APIKey,
			_ string) error {
			_, err := w.accounts.Suspend(ctx, id)
			return err
		},
		"the account is deleted": func(ctx context.Context, w *world, id tenants.TenantID, _ account.APIKey,
			_ string) error {
			return erasure.NewErasure(w.table, w.accounts).Delete(ctx, id)
		},
		"the key is deleted": func(ctx context.Context, w *world, id tenants.TenantID, key account.APIKey,
			_ string) error {
			return w.keys.Delete(ctx, id, key.ID)
		},
		"the subject's tokens are revoked": func(ctx context.Context, w *world, id tenants.TenantID, _ account.APIKey,
			subject string) error {
			return w.tokens.Revoke(ctx, id, token.Revocation{Subject: subject})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
				w := newWorldOn(t, sink)
				id, _ := w.tenant(t)
				stays, _ := w.tenant(t)
				key, secret, err := w.keys.Create(t.Context(), id,
					account.KeySpec{Name: "viewer", Role: tenants.RoleViewer})
				if err != nil {
					t.Fatal(err)
				}
				_, other, err := w.keys.Create(t.Context(), stays,
					account.KeySpec{Name: "viewer", Role: tenants.RoleViewer})
				if err != nil {
					t.Fatal(err)
				}
				raw := w.token(t, id, token.Spec{Subject: "alice", Channels: []string{"*"}, TTL: time.Hour})
				byKey := w.open(t, "/v1/stream?channel="+channel, auth(secret))
				byToken := w.open(t, "/v1/stream?channel="+channel+"&token="+raw)
				bystander := w.open(t, "/v1/stream?channel="+channel, auth(other))
				for _, s := range []*stream{byKey, byToken, bystander} {
					if e := s.next(t); e.Name != sse.Open {
						t.Fatal(e)
					}
				}
				began := time.Now()
				if err := take(t.Context(), w, id, key, "alice"); err != nil {
					t.Fatal(err)
				}
				ends := map[string][]*stream{
					"the key is deleted":               {byKey},
					"the subject's tokens are revoked": {byToken},
				}[name]
				if ends == nil {
					ends = []*stream{byKey, byToken}
				}
				for _, s := range ends {
					if e := s.next(t); e.Name != sse.Denied || e.ID != hub.Stop {
						t.Fatalf("%s %s id %s", e.Name, e.Data, e.ID)
					}
					s.ended(t)
				}
				if d := time.Since(began); d > 2*time.Second {
					t.Errorf("it took %v", d)
				}
				w.publish(t, stays, channel, "x")
				bystander.want(t, "note", "x", "1")
			})
		})
	}
}

// TestAStreamEndsWithTheOverlapOfItsRotatedKey rotates the key of an open stream.
func TestAStreamEndsWithTheOverlapOfItsRotatedKey(t *testing.T) {
	w := newWorld(t)
	id, _ := w.tenant(t)
	key, secret, err := w.keys.Create(t.Context(), id, account.KeySpec{Name: "viewer", Role: tenants.RoleViewer})
	if err != nil {
		t.Fatal(err)
	}
	s := w.open(t, "/v1/stream?channel=a", auth(secret))
	if e := s.next(t); e.Name != sse.Open {
		t.Fatal(e)
	}
	if _, _, err := w.keys.Rotate(t.Context(), id, key.ID, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	rotated, err := w.keys.Get(t.Context(), id, key.ID)
	if err != nil {
		t.Fatal(err)
	}
	e := s.next(t)
	if e.Name == sse.Expiring {
		e = s.next(t)
	}
	if e.Name != sse.Expired || e.ID != hub.Stop {
		t.Fatalf("%s %s id %s", e.Name, e.Data, e.ID)
	}
	if time.Now().Before(rotated.Expires) {
		t.Error("it ended before the overlap did")
	}
	s.ended(t)
}

// TestARightThatIsTakenAwayWhileItIsCheckedIsSeen suspends the account between the checks of a request that passed
// the first one.
func TestARightThatIsTakenAwayWhileItIsCheckedIsSeen(t *testing.T) {
	for _, target := range []string{"/v1/stream?channel=a", "/v1/poll?channel=a", "/v1/poll?channel=a&wait=0"} {
		w := newWorld(t)
		id, key := w.tenant(t)
		w.policies.asked = func(tenants.TenantID) {
			if _, err := w.accounts.Suspend(context.WithoutCancel(t.Context()), id); err != nil {
				t.Error(err)
			}
		}
		if s := w.open(t, target, auth(key)); s.head.StatusCode != 403 {
			t.Errorf("%s: %v", target, s.head)
		}
		if u := w.o.Admission.Usage(id); u != (quota.Usage{}) {
			t.Errorf("%s: slots are held: %+v", target, u)
		}
	}
}
