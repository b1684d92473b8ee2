package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
)

func hide(paths ...string) hidden.Hidden {
	var fields []hidden.Field
	for _, p := range paths {
		fields = append(fields, hidden.Field{Channel: "*", Path: p})
	}
	return hidden.New(fields...)
}

// policy holds the hidden fields by role.
type policy struct {
	mu     sync.Mutex
	byRole map[string]hidden.Hidden
	err    error
	asked  int
}

func (p *policy) hidden(_ context.Context, who *tenants.Principal) (hidden.Hidden, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return p.byRole[who.Roles[0]], p.err
}

func (p *policy) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// as connects a client of the role, as a route does.
func (r *rig) as(p *policy, subject, role, cursor string, s Subscription, channels ...string) *client {
	r.t.Helper()
	s.Principal = &tenants.Principal{Tenant: ten, Subject: subject, TokenID: "tok_" + subject, Roles: []string{role}}
	cl := r.with(s, cursor, channels...)
	hidden, err := p.hidden(r.t.Context(), s.Principal)
	if err != nil {
		r.t.Fatal(err)
	}
	cl.c.Conceal(hidden)
	return cl.attach()
}

// forms counts the views and frames kept of the channel's newest event.
func (h *Hub) forms(channel string) (views, frames int) {
	h.mu.Lock()
	t := h.topics[topicKey{ten, channel}]
	h.mu.Unlock()
	done := make(chan struct{})
	t.post(op{kind: opDone, then: func(*worker) {
		e := &t.ring.entries[len(t.ring.entries)-1]
		views, frames = len(e.views), len(e.frames)
		close(done)
	}})
	<-done
	return views, frames
}

const person = `{"n":1,"email":"e","phone":"p"}`

func TestAnEventIsPrunedOnceForAllWhoSeeTheSame(t *testing.T) {
	p := &policy{byRole: map[string]hidden.Hidden{"viewer": hide("email"), "guest": hide("email", "phone"),
		"visitor": hide("email")}}
	inBubble(t, Options{Hidden: p.hidden}, func(r *rig) {
		r.publish("a", `{"old":1,"email":"e"}`)
		want := map[string]string{
			"owner":  "open@0 " + `{"old":1,"email":"e"}@1 ` + person + "@2",
			"viewer": `open@0 {"old":1}@1 {"n":1,"phone":"p"}@2`, "visitor": `open@0 {"old":1}@1 {"n":1,"phone":"p"}@2`,
			"guest": `open@0 {"old":1}@1 {"n":1}@2`,
		}
		clients := make(map[string][]*client)
		for role := range want {
			for i := range 50 {
				clients[role] = append(clients[role], r.as(p, fmt.Sprint(role, i), role, "0", Subscription{}, "a"))
			}
		}
		r.as(p, "e", "viewer", "0", Subscription{Format: sse.Envelope}, "a")
		r.settle()
		r.publish("a", person)
		r.settle()
		for role, list := range clients {
			for _, c := range list {
				c.want(want[role])
			}
		}
		if views, frames := r.hub.forms("a"); views != 2 || frames != 4 {
			t.Errorf("%d views and %d frames of one event", views, frames)
		}
	})
}

func TestAConnectionOfSeveralChannelsHidesInEach(t *testing.T) {
	h := hidden.New(hidden.Field{Channel: "a", Path: "email"},
		hidden.Field{Channel: "b.*", Path: "phone"})
	p := &policy{byRole: map[string]hidden.Hidden{"viewer": h}}
	inBubble(t, Options{Hidden: p.hidden}, func(r *rig) {
		x := r.as(p, "x", "viewer", "", Subscription{}, "a", "b.1", "c")
		r.settle()
		for _, channel := range []string{"a", "b.1", "c"} {
			r.publish(channel, person)
			r.settle()
		}
		var got []string
		for _, e := range x.events()[1:] {
			got = append(got, string(e.Data))
		}
		if want := []string{`{"n":1,"phone":"p"}`, `{"n":1,"email":"e"}`, person}; !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

func TestRecheckChangesWhatIsHidden(t *testing.T) {
	p := &policy{byRole: map[string]hidden.Hidden{}}
	inBubble(t, Options{Hidden: p.hidden}, func(r *rig) {
		x := r.as(p, "x", "viewer", "", Subscription{}, "a")
		y := r.as(p, "y", "owner", "", Subscription{}, "a")
		slow := r.as(p, "z", "viewer", "", Subscription{}, "a")
		r.settle()
		slow.take(0)
		r.publish("a", person)
		r.settle()
		p.set(func() { p.byRole["viewer"] = hide("email") })
		r.hub.Recheck(ten)
		r.settle()
		r.publish("a", person)
		r.settle()
		p.set(func() { delete(p.byRole, "viewer") })
		r.hub.Recheck(ten)
		r.settle()
		r.publish("a", person)
		r.settle()
		x.want("open@0 " + person + `@1 {"n":1,"phone":"p"}@2 ` + person + "@3")
		y.want("open@0 " + person + "@1 " + person + "@2 " + person + "@3")
		// A subscriber that was behind gets what it may see at the time of sending, not of the event.
		p.set(func() { p.byRole["viewer"] = hide("phone") })
		r.hub.Recheck(ten)
		r.settle()
		slow.take(-1)
		r.settle()
		if got := slow.text(); strings.Count(got, `{"n":1,"email":"e"}`) < 2 || strings.Count(got, "phone") > 1 {
			t.Errorf("%s", got)
		}
	})
}

// A policy that cannot be read hides what it hid before, and is read again until that succeeds.
func TestAnErrorLeavesHiddenWhatWasHidden(t *testing.T) {
	p := &policy{byRole: map[string]hidden.Hidden{"viewer": hide("email")}}
	inBubble(t, Options{Hidden: p.hidden}, func(r *rig) {
		x := r.as(p, "x", "viewer", "", Subscription{}, "a")
		r.settle()
		p.set(func() { p.byRole["viewer"], p.err = "", errors.New("down") })
		r.hub.Recheck(ten)
		r.pass(3 * time.Second)
		r.publish("a", person)
		r.settle()
		p.set(func() { p.byRole["viewer"], p.err = hide("phone"), nil })
		r.pass(10 * time.Second)
		r.publish("a", person)
		r.settle()
		x.want(`open@0 {"n":1,"phone":"p"}@1 {"n":1,"email":"e"}@2`)
	})
}

// A poll that waits for one channel already has events of another when more of them is hidden.
func TestAPollHidesWhatItCollectedBeforeTheChange(t *testing.T) {
	p := &policy{byRole: map[string]hidden.Hidden{"viewer": hide("phone")}}
	inBubble(t, Options{Hidden: p.hidden}, func(r *rig) {
		r.publish("a", person)
		r.as(p, "y", "owner", "0", Subscription{}, "a")
		r.settle()
		// the other channel cannot be opened
		r.edit(func() { r.fail = func(string) error { return errors.New("down") } })
		var got Result
		poll := &Poll{Wait: time.Minute, Respond: func(res Result) []byte { got = res; return []byte("ok") }}
		both := string(tenants.AppendCursor(nil, tenants.CursorSeed([]string{"a", "b"}), []int64{0, 0}))
		x := r.as(p, "x", "viewer", both, Subscription{Poll: poll}, "a", "b")
		r.settle()
		x.c.mu.Lock()
		collected := len(x.c.poll.items)
		x.c.mu.Unlock()
		if collected != 1 {
			t.Fatalf("%d events are collected", collected)
		}
		p.set(func() { p.byRole["viewer"] = hide("email") })
		r.hub.Recheck(ten)
		r.settle()
		r.edit(func() { r.fail = nil })
		r.pass(10 * time.Second)
		if len(got.Items) != 1 || string(got.Items[0].Event.Data) != `{"n":1}` { // what was hidden stays so
			t.Fatalf("%+v", got)
		}
	})
}

func TestMoreViewsThanAreKeptAreRight(t *testing.T) {
	p := &policy{byRole: map[string]hidden.Hidden{}}
	data, roles := `{"x":1`, 100
	for i := range roles {
		p.byRole[fmt.Sprint(i)] = hide(fmt.Sprint("f", i))
		data += fmt.Sprintf(`,"f%d":%d`, i, i)
	}
	data += "}"
	inBubble(t, Options{Hidden: p.hidden}, func(r *rig) {
		var clients []*client
		for i := range roles {
			clients = append(clients, r.as(p, fmt.Sprint("s", i), fmt.Sprint(i), "", Subscription{}, "a"))
		}
		r.settle()
		r.publish("a", data)
		r.settle()
		for i, c := range clients {
			c.want("open@0 " + strings.Replace(data, fmt.Sprintf(`,"f%d":%d`, i, i), "", 1) + "@1")
		}
		if views, frames := r.hub.forms("a"); views != formsKept || frames != formsKept {
			t.Errorf("%d views, %d frames are kept", views, frames)
		}
	})
}
