package streamer

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/token"
)

// connected waits until n connections are served.
func (w *world) connected(t testing.TB, n int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d connections", n), func() bool { return w.hub.Stats().Connections == n })
}

func wantEvents(t *testing.T, c wire, want ...string) (cursor string) {
	t.Helper()
	for _, data := range want {
		v := c.next(t)
		if v.name != "note" || v.data != data {
			t.Fatalf("got %+v, want the event %s", v, data)
		}
		cursor = v.cursor
	}
	return cursor
}

func TestEveryTransportResumesFromItsCursor(t *testing.T) {
	onEveryTransport(t, func(t *testing.T, tr transport, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		w.publish(t, tenant, "a", "1", "b", `{"c":3}`)
		c := tr.open(t, w, "channel=a&after=1", auth(key))
		wantEvents(t, c, "b", `{"c":3}`)
		w.publish(t, tenant, "a", "d")
		if at := wantEvents(t, c, "d"); at != "4" {
			t.Errorf("the cursor is %s", at)
		}
		c.Close()
		w.publish(t, tenant, "a", "e")
		// the header is more recent
		wantEvents(t, tr.open(t, w, "channel=a&after=1", auth(key), "Last-Event-ID: 3"), "d", "e")
	})
}

// A cursor of several channels is the same on every transport.
func TestACursorOfOneTransportIsGoodOnEveryOther(t *testing.T) {
	w := newWorld(t)
	tenant, key := w.tenant(t)
	for i, from := range transports {
		for j, to := range transports {
			a, b := fmt.Sprintf("a%d-%d", i, j), fmt.Sprintf("b%d-%d", i, j)
			start := string(tenants.AppendCursor(nil, tenants.CursorSeed([]string{a, b}), []int64{0, 0}))
			c := from.open(t, w, "channel="+a+"&channel="+b+"&after="+start, auth(key))
			w.publish(t, tenant, a, "1")
			cursor := wantEvents(t, c, "1")
			w.publish(t, tenant, b, "2")
			if second := wantEvents(t, c, "2"); second == cursor {
				t.Errorf("%s: the cursor stays %s", from.name, cursor)
			}
			c.Close()
			d := to.open(t, w, "channel="+a+"&channel="+b+"&after="+cursor, auth(key))
			wantEvents(t, d, "2")
			d.Close()
		}
	}
}

func TestEveryTransportTellsAGap(t *testing.T) {
	onEveryTransport(t, func(t *testing.T, tr transport, sink func(*hub.Options)) {
		w := newWorldOn(t, func(o *hub.Options) {
			sink(o)
			o.Retention = func(context.Context, tenants.TenantID) (tenants.Retention, error) {
				return tenants.Retention{Events: 2}, nil
			}
		})
		tenant, key := w.tenant(t)
		w.publish(t, tenant, "a", "1", "2", "3", "4", "5")
		c := tr.open(t, w, "channel=a&after=1", auth(key))
		if v := c.next(t); v.name != sse.Gap || v.data != `{"channel":"a","from":2,"to":3}` {
			t.Fatalf("%+v", v)
		}
		wantEvents(t, c, "4", "5")
		d := tr.open(t, w, "channel=a&after=9", auth(key))
		if v := d.next(t); v.name != sse.Gap || v.data != `{"channel":"a","reset":true}` || v.cursor != "5" {
			t.Fatalf("beyond the tail: %+v", v)
		}
	})
}

func TestEveryTransportTellsThatALimitIsReached(t *testing.T) {
	onEveryTransport(t, func(t *testing.T, tr transport, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		one := int64(1)
		if _, err := w.accounts.UpdateAsOperator(t.Context(),
			tenant, account.OperatorPatch{Limits: map[string]*int64{"connections": &one}}); err != nil {
			t.Fatal(err)
		}
		first := tr.open(t, w, "channel=a", auth(key))
		w.connected(t, 1)
		second := tr.open(t, w, "channel=a", auth(key))
		if v := second.next(t); v.name != sse.Quota || !v.retry {
			t.Errorf("%+v", v)
		}
		second.isOver(t)
		first.Close()
		eventually(t, "the first one's slot is free", func() bool {
			return w.o.Admission.Usage(tenant) == quota.Usage{}
		})
		w.publish(t, tenant, "a", "1")
		wantEvents(t, tr.open(t, w, "channel=a&after=0", auth(key)), "1")
	})
}

func TestEveryTransportTellsThatARightIsGone(t *testing.T) {
	onEveryTransport(t, func(t *testing.T, tr transport, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, _ := w.tenant(t)
		raw := w.token(t, tenant, token.Spec{Subject: "alice", Channels: []string{"a"}, TTL: time.Hour})
		c := tr.open(t, w, "channel=a&token="+raw)
		w.connected(t, 1)
		if err := w.tokens.Revoke(t.Context(), tenant, token.Revocation{Raw: raw}); err != nil {
			t.Fatal(err)
		}
		if v := c.next(t); v.name != sse.Denied || v.cursor != hub.Stop {
			t.Errorf("%+v", v)
		}
		c.isOver(t)
		eventually(t, "its slot is free", func() bool { return w.o.Admission.Usage(tenant) == quota.Usage{} })
	})
}

func TestEveryTransportTellsThatACredentialIsOver(t *testing.T) {
	onAllTransports(t, func(t *testing.T, tr transport, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, _ := w.tenant(t)
		raw := w.token(t, tenant, token.Spec{Subject: "alice", Channels: []string{"a"}, TTL: 2 * time.Second})
		c := tr.open(t, w, "channel=a&token="+raw)
		v := c.next(t)
		// unless the machine was too busy: the hub's own tests have a simulated clock for that
		if tr.name != "poll" && v.name == sse.Expiring {
			if !strings.Contains(v.data, `"expires_at"`) {
				t.Errorf("%+v", v)
			}
			v = c.next(t)
		}
		if v.name != sse.Expired || v.cursor != hub.Stop {
			t.Errorf("%+v", v)
		}
		c.isOver(t)
	})
}

func TestEveryTransportSaysGoodbyeAndGoesOnElsewhere(t *testing.T) {
	onEveryTransport(t, func(t *testing.T, tr transport, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		w.publish(t, tenant, "a", "1")
		c := tr.open(t, w, "channel=a&after=0", auth(key))
		wantEvents(t, c, "1")
		w.connected(t, 1)
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			w.hub.Drain(t.Context(), 0)
		}()
		if v := c.next(t); v.name != sse.Goodbye || !v.retry {
			t.Errorf("%+v", v)
		}
		c.isOver(t)
		c.Close()
		<-drained
		if v := tr.open(t, w, "channel=a&after=1", auth(key)).next(t); v.name != sse.Quota && v.name != sse.Goodbye ||
			!v.retry {
			t.Errorf("while draining: %+v", v)
		}
	})
}

func TestEveryTransportTellsThatAChannelHasEnded(t *testing.T) {
	onEveryTransport(t, func(t *testing.T, tr transport, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		c := tr.open(t, w, "channel=a&after=0", auth(key))
		w.connected(t, 1)
		w.append(t, tenant, "a", func(e *tenants.Event) { e.End = true }, "bye")
		wantEvents(t, c, "bye")
		if v := c.next(t); v.name != sse.Ended || v.cursor != hub.Stop {
			t.Errorf("%+v", v)
		}
		c.isOver(t)
		for _, back := range []string{"channel=a&after=!stop", "channel=a"} {
			v := tr.open(t, w, back, auth(key)).next(t)
			if v.name != sse.Ended {
				t.Errorf("%s: %+v", back, v)
			}
		}
	})
}

// A client that does not read is cut, the reason is counted, and the client resumes from its cursor without loss or
// repeats.
func TestEveryTransportCutsWhoDoesNotReadAndResumesIt(t *testing.T) {
	onAllTransports(t, func(t *testing.T, tr transport, sink func(*hub.Options)) {
		w := newWorldOn(t, func(o *hub.Options) {
			sink(o)
			o.UnsentAge = 2 * time.Second
		})
		tenant, key := w.tenant(t)
		var want []string
		for i := range 80 { // more than sockets hold, and more than the response to a poll
			want = append(want, fmt.Sprintf("%d%s", i, strings.Repeat("x", 100<<10)))
		}
		slow := tr.open(t, w, "channel=a&after=0", auth(key))
		w.connected(t, 1)
		w.publish(t, tenant, "a", want...)
		eventually(t, "it is cut or answered", func() bool {
			s := w.hub.Stats()
			return s.Ended["stalled"]+s.Ended["backlog"]+s.Ended["polled"] > 0
		})
		// Bytes on their way still arrive; incomplete events do not count.
		var got []string
		cursor := "0"
		for {
			v, err := slow.read()
			if err != nil {
				break
			}
			got = append(got, v.data)
			if p, ok := slow.client.(*polls); ok && v.cursor == "" {
				continue // within one response
			} else if cursor = v.cursor; ok && len(p.got) == 0 {
				break // this transport has a single response
			}
		}
		if len(got) == len(want) {
			t.Fatal("everything arrived: nobody was slow")
		}
		next := tr.open(t, w, "channel=a&after="+cursor, auth(key))
		for len(got) < len(want) {
			got = append(got, next.next(t).data)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("event %d has %d bytes and begins with %q", i, len(got[i]), got[i][:min(10, len(got[i]))])
			}
		}
	})
}
