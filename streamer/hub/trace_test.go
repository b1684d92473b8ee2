package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
	"github.com/hookcast/hookcast/tenants/trace"
)

// recordingTracer is a tracer that keeps what it records.
type recordingTracer struct {
	mu       sync.Mutex
	hops     map[string]trace.Step // by event; the latest
	sessions []string
}

func (n *recordingTracer) Step(_ tenants.TenantID, event string, _ time.Time, h trace.Step) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hops == nil {
		n.hops = make(map[string]trace.Step)
	}
	n.hops[event] = h
}

func (n *recordingTracer) Session(_ tenants.TenantID, subject string, s trace.Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sessions = append(n.sessions, fmt.Sprint(subject, " ", s.Connection, " ", s.Ended, " ", s.Channels, s.Positions))
}

func (n *recordingTracer) hop(event string) trace.Step {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hops[event]
}

func (n *recordingTracer) told() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.sessions)
}

// markTraced marks the channel's latest event as traced, in the log too.
func (r *rig) markTraced(channel string, events []tenants.Event) []tenants.Event {
	for i := range events {
		events[i].Trace = &tenants.TraceMark{}
	}
	r.edit(func() { r.channels[channel][len(r.channels[channel])-1].Trace = &tenants.TraceMark{} })
	return events
}

func TestATracedEventIsCountedByWhatBecameOfIt(t *testing.T) {
	var notes recordingTracer
	inBubble(t, Options{Tracer: &notes}, func(r *rig) {
		for range 3 {
			r.connect("", "a")
		}
		hides := r.open("", "a", "b")
		hides.c.Conceal(hidden.New(hidden.Field{Channel: "a", Path: "n"}))
		hides.attach()
		poll := r.with(Subscription{Poll: &Poll{Wait: time.Minute}}, "", "a").attach()
		slow := r.connect("", "a")
		r.settle()
		slow.take(0)
		r.publish("a", `{"n":1}`) // not traced; it fills the slow one
		r.settle()
		if !poll.now().shut {
			t.Error("the poll goes on")
		}
		r.tell("a", r.markTraced("a", r.append("a", `{"n":2}`))...)
		r.settle()
		h := notes.hop("evt_a_2")
		if h.Name != trace.StepWritten || h.Node != "nod_1" || h.Subscribers != 5 || h.Connections != 4 ||
			h.Replayed != 0 || h.Bytes == 0 || h.Cut != nil ||
			len(h.Hidden) != 1 || h.Hidden[0].Connections != 1 || !slices.Equal(h.Hidden[0].Fields, []string{"n"}) ||
			h.First.IsZero() {
			t.Errorf("%+v", h)
		}
		slow.leave()
		late := r.connect("1", "a")
		r.settle()
		late.want(`open@1 {"n":2}@2`)
		if h = notes.hop("evt_a_2"); h.Connections != 5 || h.Replayed != 1 || h.Cut["left"] != 1 || h.CutAt.IsZero() {
			t.Errorf("%+v", h)
		}
		if len(notes.hops) != 1 {
			t.Errorf("an event that is not traced has a record: %v", notes.hops)
		}
		r.pass(2 * tallyTime)
		r.hub.mu.Lock()
		topic := r.hub.topics[topicKey{ten, "a"}]
		r.hub.mu.Unlock()
		tallies := make(chan int, 1)
		topic.post(op{kind: opDone, then: func(*worker) { tallies <- len(topic.tallies) }})
		if n := <-tallies; n != 0 {
			t.Errorf("%d events are counted after their time", n)
		}
	})
}

func TestWhoLosesItsRightBeforeATracedEventIsNamed(t *testing.T) {
	var notes recordingTracer
	denied := false
	var mu sync.Mutex
	inBubble(t, Options{Tracer: &notes, Allowed: func(
		context.Context, *tenants.Principal, []string,
	) (Verdict, time.Time, error) {
		mu.Lock()
		defer mu.Unlock()
		if denied {
			return Denied, time.Time{}, nil
		}
		return Allowed, time.Time{}, nil
	}}, func(r *rig) {
		x := r.with(Subscription{ID: "con_x", Principal: &tenants.Principal{Tenant: ten, Subject: "alice",
			Roles: []string{"viewer"}}}, "", "a").attach()
		r.settle()
		x.take(0)
		r.publish("a", "1")
		r.tell("a", r.markTraced("a", r.append("a", "2"))...)
		mu.Lock()
		denied = true
		mu.Unlock()
		r.hub.Recheck(ten)
		r.settle()
		h := notes.hop("evt_a_2")
		if h.Connections != 0 || h.Cut["denied"] != 1 || len(h.Denied) != 1 || h.Denied[0].Subject != "alice" ||
			h.Denied[0].Connection != "con_x" {
			t.Errorf("%+v", h)
		}
	})
}

func TestComingsAndGoingsAreRecordedWhileTheTenantTraces(t *testing.T) {
	var notes recordingTracer
	var until time.Time
	var mu sync.Mutex
	set := func(to time.Time) {
		mu.Lock()
		defer mu.Unlock()
		until = to
	}
	inBubble(t, Options{Tracer: &notes, Tracing: func(context.Context, tenants.TenantID) (time.Time, error) {
		mu.Lock()
		defer mu.Unlock()
		return until, nil
	}}, func(r *rig) {
		who := &tenants.Principal{Tenant: ten, Subject: "alice"}
		before := r.with(Subscription{ID: "con_1", Principal: who}, "", "a").attach()
		r.settle()
		if len(notes.told()) != 0 {
			t.Errorf("while it is off: %q", notes.told())
		}
		set(time.Now().Add(time.Hour))
		r.hub.Recheck(ten)
		r.settle()
		r.publish("a", "1")
		r.settle()
		before.leave()
		x := r.with(Subscription{ID: "con_2", Principal: who, Traced: until}, "0", "a").attach()
		r.with(Subscription{ID: "con_3", Principal: &tenants.Principal{Tenant: ten, KeyID: "key_1"}, Traced: until}, "",
			"a").attach()
		r.settle()
		x.leave()
		got := notes.told()
		if len(got) != 3 || got[0] != "alice con_1 left [a] [1]" || got[1] != "alice con_2  [a] [0]" ||
			got[2] != "alice con_2 left [a] [1]" {
			t.Errorf("%q", got)
		}
		r.pass(time.Hour)
		r.with(Subscription{ID: "con_4", Principal: who}, "", "a").attach()
		r.settle()
		if len(notes.told()) != 3 {
			t.Errorf("behind its end: %q", notes.told())
		}
	})
}

func TestFewOfThoseWhoLostTheirRightAreNamed(t *testing.T) {
	const crowd = 3 * trace.MaxDenied
	var notes recordingTracer
	var denied atomic.Bool
	inBubble(t, Options{Tracer: &notes, Allowed: func(
		context.Context, *tenants.Principal, []string,
	) (Verdict, time.Time, error) {
		if denied.Load() {
			return Denied, time.Time{}, nil
		}
		return Allowed, time.Time{}, nil
	}}, func(r *rig) {
		for range crowd {
			x := r.with(Subscription{Principal: &tenants.Principal{Tenant: ten, Subject: "alice"}}, "", "a").attach()
			r.settle()
			x.take(0)
		}
		r.publish("a", "1")
		r.tell("a", r.markTraced("a", r.append("a", "2"))...)
		r.settle()
		denied.Store(true)
		r.hub.Recheck(ten)
		r.settle()
		if h := notes.hop("evt_a_2"); h.Cut["denied"] != crowd || len(h.Denied) != trace.MaxDenied {
			t.Errorf("%d were cut, and %d are named", h.Cut["denied"], len(h.Denied))
		}
	})
}

// The events that a client was shown follow from its start, which is known once its channels have been read.
func TestAComingIsRecordedWithWhereItBegan(t *testing.T) {
	var notes recordingTracer
	inBubble(t, Options{Tracer: &notes}, func(r *rig) {
		who, until := &tenants.Principal{Tenant: ten, Subject: "alice"}, time.Now().Add(time.Hour)
		with := func(id string, poll *Poll, channels ...string) *client {
			return r.with(Subscription{ID: id, Principal: who, Traced: until, Poll: poll}, "", channels...).attach()
		}
		r.append("a", "1", "2", "3")
		r.append("b", "1")
		r.mark("b", false)
		r.append("c", "1")
		r.edit(func() {
			r.fail = func(call string) error {
				if call == "tail" {
					return errors.New("not now")
				}
				return nil
			}
		})
		with("con_1", nil, "a")
		unread := with("con_2", nil, "c")
		r.settle()
		if len(notes.told()) != 0 {
			t.Errorf("before anything is known: %q", notes.told())
		}
		unread.leave()
		r.settle()
		r.edit(func() { r.fail = nil })
		r.pass(10 * time.Second)
		two := with("con_3", nil, "a", "b") // b's last event is a snapshot
		r.settle()
		two.leave()
		with("con_4", &Poll{Wait: time.Minute}, "b", "a")
		r.settle()
		want := []string{
			"alice con_2  [c] [-1]", "alice con_2 left [c] [-1]", "alice con_1  [a] [3]", "alice con_3  [a b] [3 0]",
			"alice con_3 left [a b] [3 1]",
			"alice con_4  [b a] [0 3]", "alice con_4 polled [b a] [1 3]",
		}
		if got := notes.told(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

// BenchmarkDelivery measures the cost of tracing for a delivery: one event to 1,000 subscribers, in turn on hubs
// without a tracer, with one, and with a traced event. The ratios are relative to the first.
func BenchmarkDelivery(b *testing.B) {
	const crowd = 1_000
	type side struct {
		hub    *Hub
		w      *worker
		topic  *topic
		traced bool
		took   time.Duration
		seq    int64
	}
	make := func(tracer Tracer, traced bool) *side {
		book := newBook()
		h := New(Options{Log: book, Interest: book, Node: "nod_1", Count: -1, Tracer: tracer, Workers: 1})
		b.Cleanup(h.Close)
		t := &topic{hub: h, key: topicKey{ten, "a"}, state: live}
		s := &side{hub: h, w: newWorker(h), topic: t, traced: traced}
		for range crowd {
			c := &Conn{hub: h, fd: -1, format: sse.Data, state: serving, greeted: true, headOut: true, running: 1,
				info: &info{id: "con_x"}, sink: discardSink{}}
			c.class = h.classes.of(Class{"sse", "free"})
			c.subs = c.one[:]
			c.subs[0] = sub{conn: c, topic: t, index: len(t.subs), live: true}
			t.subs = append(t.subs, &c.subs[0])
		}
		t.fanAt = crowd
		return s
	}
	sides := map[string]*side{"without": make(nil, false), "off": make(&recordingTracer{}, false),
		"traced": make(&recordingTracer{}, true)}
	names := []string{"without", "off", "traced"}
	turn := 0
	data := []byte(strings.Repeat("x", 256))
	for b.Loop() {
		for i := range names {
			s := sides[names[(turn+i)%len(names)]] // each is first in turn
			s.seq++
			e := tenants.Event{ID: fmt.Sprint("evt_", s.seq), Tenant: ten, Channel: "a", Seq: s.seq, Type: "t",
				Data: data, Time: time.Now()}
			if s.traced {
				e.Trace = &tenants.TraceMark{}
			}
			begin := time.Now()
			s.topic.deliver([]tenants.Event{e})
			for s.topic.turn(s.w) {
			}
			s.took += time.Since(begin)
			clear(s.topic.tallies)
		}
		turn++
	}
	for _, name := range names {
		b.ReportMetric(float64(sides[name].took.Nanoseconds())/float64(b.N)/crowd, name+"-ns/delivery")
	}
	b.ReportMetric(float64(sides["off"].took)/float64(sides["without"].took), "off/without")
	b.ReportMetric(float64(sides["traced"].took)/float64(sides["without"].took), "traced/without")
}

// discardSink is a sink that accepts everything.
type discardSink struct{}

func (discardSink) write(b []byte) (int, bool, error) { return len(b), true, nil }
func (discardSink) start() error                      { return nil }
func (discardSink) shutdown()                         {}
func (discardSink) close()                            {}
func (discardSink) reset()                            {}
func (discardSink) unsent() int                       { return 0 }
