package hub

import (
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
)

func TestTheFirstFrame(t *testing.T) {
	inBubble(t, Options{RetryMin: 2 * time.Second, RetryMax: 4 * time.Second}, func(r *rig) {
		seen := map[time.Duration]bool{}
		for range 20 {
			x := r.with(Subscription{ID: "con_x"}, "", "a").attach()
			r.settle()
			got := x.now().got
			d := eventstream.NewDecoder(strings.NewReader(strings.TrimPrefix(got, "HTTP/1.1 200 OK\r\n\r\n")), 1000)
			e, err := d.Next()
			if err != nil || e.Name != sse.Open || string(e.Data) != `{"connection_id":"con_x","heartbeat_ms":40000}` ||
				e.ID != "0" {
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
		if got := two.text(); !two.now().shut || !strings.HasSuffix(got, `hookcast.ended{"channel":"b"}@!stop`) ||
			strings.Count(got, "hookcast.ended") != 2 {
			t.Error(got)
		}
		for _, cursor := range []string{"", "0", "1"} { // late subscribers
			y := r.connect(cursor, "a")
			r.settle()
			if got := y.text(); !strings.HasSuffix(got, `hookcast.ended{"channel":"a"}@!stop`) ||
				strings.Contains(got, "bye") != (cursor == "0") {
				t.Errorf("from %q: %s", cursor, got)
			}
		}
		r.pass(2 * time.Minute) // the topic is removed and created again
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
		if len(list) != 1 || list[0].ID != x.c.ID() || strings.Join(list[0].Channels, " ") != "a b" ||
			list[0].Transport != "sse" || list[0].Remote != "192.0.2.1" ||
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
