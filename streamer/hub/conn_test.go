package hub

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
)

func TestTheFirstFrame(t *testing.T) {
	inBubble(t, Options{RetryMin: 2 * time.Second, RetryMax: 4 * time.Second}, func(r *rig) {
		seen := map[time.Duration]bool{}
		for range 20 {
			x := r.with(Subscription{ID: "con_x"}, "", "a").attach()
			r.settle()
			got := x.now().got
			d := sse.NewDecoder(strings.NewReader(strings.TrimPrefix(got, "HTTP/1.1 200 OK\r\n\r\n")), 1000)
			e, err := d.Next()
			if err != nil || e.Name != sse.Open || string(e.Data) != `{"connection_id":"con_x","heartbeat_ms":40000}` || e.ID != "0" {
				t.Fatalf("%+v, %v", e, err)
			}
			if d.Retry() < 2*time.Second || d.Retry() > 4*time.Second {
				t.Errorf("retry %v", d.Retry())
			}
			seen[d.Retry()] = true
			if x.now().writes != 1 {
				t.Errorf("%d writes", x.now().writes)
			}
		}
		if len(seen) < 10 {
			t.Errorf("only %d retry times for 20 connections", len(seen))
		}
	})
}

func TestHeartbeats(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		for range 6 {
			before := len(x.now().got)
			r.pass(20 * time.Second)
			r.settle()
			if len(x.now().got) == before {
				t.Fatal("20 s without a sign of life")
			}
		}
		if n := strings.Count(x.text(), "beat"); n != 3 || strings.Count(x.now().got, "\n:\n\n") != 3 {
			t.Errorf("%d named of 6: %q", n, x.now().got)
		}
	})
}

// Connections that come at once are not all written to at once.
func TestHeartbeatsAreSpread(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		var all []*client
		for range 400 {
			all = append(all, r.connect("", "a"))
		}
		r.settle()
		before := make([]int, len(all))
		for range 200 {
			moved := 0
			for i, x := range all {
				if n := len(x.now().got); n != before[i] {
					moved++
					before[i] = n
				}
			}
			if moved > 8 && moved < 400 {
				t.Errorf("%d heartbeats in a tick", moved)
			}
			r.pass(tick)
		}
	})
}

func TestNoHeartbeatInsideAFrame(t *testing.T) {
	inBubble(t, Options{UnsentAge: time.Hour}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		x.take(7)
		r.publish("a", "12345")
		r.pass(2 * time.Minute)
		x.take(-1)
		r.settle()
		x.want("open@0 12345@1")
	})
}

func TestACredentialExpires(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		at := func(d time.Duration) *client {
			p := &tenants.Principal{Tenant: ten, Expires: time.Now().Add(d)}
			return r.with(Subscription{Principal: p}, "", "a").attach()
		}
		soon, later, renewed := at(3*time.Second), at(95*time.Second), at(50*time.Second)
		begin := time.Now()
		r.settle()
		if err := r.hub.Renew(t.Context(), ten, renewed.c.ID(), &tenants.Principal{Tenant: ten, Expires: begin.Add(200 * time.Second)}); err != nil {
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
			if !c.now().shut || c.now().released != 1 || !strings.HasSuffix(c.text(), `hookcast.expired{"detail":"the credential has expired"}@!stop`) {
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
		revoked := r.with(Subscription{Principal: &tenants.Principal{Tenant: ten, TokenID: "tok_revoked"}}, "", "a").attach()
		r.settle()
		blocked.take(5)
		r.publish("secret", "1")
		r.settle()
		fail.Store(true)
		if err := r.hub.Send(r.t.Context(), "nod_1", tenants.Notice{Tenant: ten}); err != nil {
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
			if x.now().released != 1 || x != blocked && !strings.HasSuffix(x.text(), `hookcast.denied{"detail":"the right to listen has ended"}@!stop`) || x == blocked && !x.now().over {
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

// A key that is rotated with an overlap gets an end while streams of it are open.
func TestACredentialThatIsGivenAnEndExpiresThen(t *testing.T) {
	var until atomic.Pointer[time.Time]
	until.Store(new(time.Time))
	allowed := func(context.Context, *tenants.Principal, []string) (Verdict, time.Time, error) {
		return Allowed, *until.Load(), nil
	}
	for name, overlap := range map[string]time.Duration{"within a turn of the wheel": 3 * time.Second, "in an hour": time.Hour} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Allowed: allowed}, func(r *rig) {
				sooner := time.Now().Add(overlap / 2)
				x := r.with(Subscription{Principal: &tenants.Principal{Tenant: ten, KeyID: "key_1"}}, "", "a").attach()
				y := r.with(Subscription{Principal: &tenants.Principal{Tenant: ten, KeyID: "key_1", Expires: sooner, Issued: sooner}}, "", "a").attach()
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

// A read that began before a purge must not bring back what it purged.
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
				// The log is read half-way through the call; registering interest is a call of its own before it.
				reads := func() int { return r.count("read a") }
				before := reads()
				for reads() == before {
					r.pass(time.Second)
				}
				r.edit(func() { r.floor["a"] = 4 }) // purged while the answer is on its way
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

func TestAChannelEnds(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		two := r.connect("", "a", "b")
		r.settle()
		end := func(channel string) {
			e := r.append(channel, "bye")
			r.edit(func() { r.channels[channel][len(r.channels[channel])-1].End = true })
			e[0].End = true
			r.tell(channel, e...)
			r.settle()
		}
		end("a")
		x.want(`open@0 bye@1 hookcast.ended{"channel":"a"}@!stop`)
		if !x.now().shut || two.now().shut {
			t.Error("the connection must end with its last channel")
		}
		r.publish("b", "1")
		end("b")
		if got := two.text(); !two.now().shut || !strings.HasSuffix(got, `hookcast.ended{"channel":"b"}@!stop`) || strings.Count(got, "hookcast.ended") != 2 {
			t.Error(got)
		}
		for _, cursor := range []string{"", "0", "1"} { // those who come late
			y := r.connect(cursor, "a")
			r.settle()
			if got := y.text(); !strings.HasSuffix(got, `hookcast.ended{"channel":"a"}@!stop`) || strings.Contains(got, "bye") != (cursor == "0") {
				t.Errorf("from %q: %s", cursor, got)
			}
		}
		r.pass(2 * time.Minute) // the topic is given up and made again
		y := r.connect("", "a")
		r.settle()
		y.want(`open@1 hookcast.ended{"channel":"a"}@!stop`)
		z := r.connect("", "a", "c")
		r.settle()
		r.publish("a", "again")
		r.settle()
		if got := z.text(); z.now().shut || !strings.Contains(got, "again") {
			t.Errorf("a channel that goes on: %s", got)
		}
	})
}

func TestDrain(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		var all []*client
		for range 100 {
			all = append(all, r.connect("", "a"))
		}
		poll := r.with(Subscription{Poll: &Poll{Wait: time.Minute, Respond: func(Result) []byte { return []byte("x") }}}, "", "a").attach()
		r.settle()
		begin := time.Now()
		go r.hub.Drain(r.t.Context(), 100*time.Second)
		r.pass(50 * time.Second)
		r.settle()
		ended := 0
		for _, x := range all {
			if x.now().shut {
				ended++
			}
		}
		if ended < 40 || ended > 60 {
			t.Errorf("%d of 100 after half of the time", ended)
		}
		if _, err := r.hub.Open(Subscription{Tenant: ten, Channels: []string{"a"}, Format: sse.Data}); tenants.CodeOf(err) != "draining" {
			t.Errorf("opening while draining: %v", err)
		}
		r.pass(51*time.Second - time.Since(begin) + 50*time.Second)
		r.settle()
		for _, x := range all {
			if !x.now().shut || !strings.Contains(x.text(), "hookcast.goodbye") || x.lastID() != "0" || x.now().released != 1 {
				t.Fatalf("%s", x.text())
			}
		}
		if poll.now().got != "x" {
			t.Error("the poll was not answered")
		}
	})
}

// What closes behind Drain must not take away a goodbye that a client has yet to read.
func TestDrainReturnsOnceTheLastSocketIsClosed(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		prompt, silent, prepared := r.connect("", "a"), r.connect("", "a"), r.open("", "a")
		r.settle()
		drained := make(chan struct{})
		go func() {
			r.hub.Drain(r.t.Context(), 0)
			close(drained)
		}()
		ended := func() bool {
			r.settle()
			select {
			case <-drained:
				return true
			default:
				return false
			}
		}
		r.pass(tick)
		if !prompt.now().shut || prompt.now().over || ended() {
			t.Fatalf("a goodbye is on its way, and Drain has returned: %v", ended())
		}
		prompt.leave()
		r.pass(tick)
		if ended() {
			t.Fatal("Drain left a socket behind")
		}
		r.pass(drainTime + 2*tick)
		if !ended() || !silent.now().over || prepared.now().released != 1 {
			t.Errorf("returned %v, the silent one closed %v, the prepared one released %d times", ended(), silent.now().over, prepared.now().released)
		}
	})
}

func TestDrainReturnsWhenItsContextEnds(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		ctx, cancel := context.WithCancel(r.t.Context())
		cancel()
		r.hub.Drain(ctx, time.Hour)
		if x.now().over || !x.now().shut {
			t.Errorf("%+v", x.now())
		}
	})
}

func TestOpenedAndNeverAttached(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x, y := r.open("", "a"), r.open("", "a")
		x.c.Abandon()
		x.c.Abandon()
		if x.now().released != 1 {
			t.Error("abandoned, not released")
		}
		r.pass(4 * time.Second)
		if y.now().released != 0 {
			t.Error("lapsed too early")
		}
		r.pass(2 * time.Second)
		r.settle()
		if y.now().released != 1 || r.hub.Stats().Connections != 0 {
			t.Error("did not lapse")
		}
		r.pass(time.Minute)
		if n := r.hub.Stats().Channels; n != 0 {
			t.Errorf("%d channels stay", n)
		}
	})
}

func TestConnections(t *testing.T) {
	inBubble(t, Options{UnsentAge: time.Hour}, func(r *rig) {
		x := r.with(Subscription{Transport: "sse", Remote: "192.0.2.1"}, "", "a", "b").attach()
		r.settle()
		x.take(0)
		r.publish("a", strings.Repeat("x", 1000))
		r.settle()
		list := r.hub.Connections(ten)
		if len(list) != 1 || list[0].ID != x.c.ID() || strings.Join(list[0].Channels, " ") != "a b" || list[0].Transport != "sse" || list[0].Remote != "192.0.2.1" ||
			list[0].Backlog < 1000 || list[0].Cursor != x.lastID() || list[0].Sent != int64(len(x.now().got)) {
			t.Errorf("%+v", list)
		}
		if len(r.hub.Connections("ten_b")) != 0 || r.hub.Disconnect("ten_b", x.c.ID()) || x.now().over {
			t.Error("another tenant sees it")
		}
		x.take(-1)
		r.settle()
		if !r.hub.Disconnect(ten, x.c.ID()) || !strings.HasSuffix(x.text(), "@!stop") {
			t.Errorf("disconnected: %s", x.text())
		}
		if len(r.hub.Connections(ten)) != 0 || r.hub.Disconnect(ten, x.c.ID()) {
			t.Error("it is still there")
		}
	})
}

func TestAllOfATenantsChannelsGetTheirTurn(t *testing.T) {
	var q queue[string]
	q.init()
	for _, work := range []string{"a1", "a2", "a3", "b1", "c1", "c2"} {
		q.push(tenants.TenantID(work[:1]), work)
	}
	got := ""
	for range 6 {
		w, _ := q.pop()
		got += w + " "
	}
	if got != "a1 b1 c1 a2 c2 a3 " {
		t.Error(got)
	}
	q.close()
	if _, ok := q.pop(); ok {
		t.Error("closed, and there is more")
	}
}
