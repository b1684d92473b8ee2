package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/eventstream"
)

const ten = tenants.TenantID("ten_a")

// testLog is a log and an interest table in memory that tests can inspect and break.
type testLog struct {
	mu       sync.Mutex
	channels map[string][]tenants.Event
	floor    map[string]int64 // numbers below are lost
	interest map[string]bool

	named       map[string]string // by channel: the node that registered last,
	subscribers map[string]int    // and its number of subscribers

	calls []string
	delay time.Duration // of every call
	fail  func(call string) error
}

func newBook() *testLog {
	return &testLog{channels: map[string][]tenants.Event{}, floor: map[string]int64{}, interest: map[string]bool{},
		named: map[string]string{}, subscribers: map[string]int{}}
}

func (b *testLog) call(ctx context.Context, what, channel string) error {
	if err := b.wait(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, what+" "+channel)
	if b.fail != nil {
		return b.fail(what)
	}
	return nil
}

// wait takes half of the duration of a call.
func (b *testLog) wait(ctx context.Context) error {
	select {
	case <-time.After(b.delay / 2):
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (b *testLog) called() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls)
}

func (b *testLog) count(call string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (b *testLog) Register(ctx context.Context, node string, _ time.Time, t tenants.TenantID, channel string,
	subscribers int) error {
	if err := b.call(ctx, "register", channel); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.interest[channel], b.named[channel], b.subscribers[channel] = true, node, subscribers
	return nil
}

func (b *testLog) Drop(ctx context.Context, node string, t tenants.TenantID, channel string) error {
	if err := b.call(ctx, "drop", channel); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.interest[channel] = false
	return nil
}

func (b *testLog) interested(channel string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.interest[channel]
}

func (b *testLog) Tail(ctx context.Context, _ tenants.TenantID, channel string) (int64, error) {
	if err := b.call(ctx, "tail", channel); err != nil {
		return 0, err
	}
	b.mu.Lock()
	tail := int64(len(b.channels[channel]))
	b.mu.Unlock()
	return tail, b.wait(ctx)
}

func (b *testLog) Read(ctx context.Context, _ tenants.TenantID, channel string, after int64, limit int,
	_ tenants.Retention) (eventlog.Page, error) {
	if err := b.call(ctx, "read", channel); err != nil {
		return eventlog.Page{}, err
	}
	p := b.page(channel, after, limit)
	return p, b.wait(ctx)
}

func (b *testLog) page(channel string, after int64, limit int) eventlog.Page {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.channels[channel]
	p := eventlog.Page{Tail: int64(len(all))}
	if after > p.Tail {
		p.Gap = &eventlog.Gap{Channel: channel, From: 1, To: p.Tail, Reset: true}
		return p
	}
	from := after
	if f := b.floor[channel]; f > after+1 {
		p.Gap = &eventlog.Gap{Channel: channel, From: after + 1, To: f - 1}
		from = f - 1
	}
	p.Events = slices.Clone(all[from:min(from+int64(limit), p.Tail)])
	last := from + int64(len(p.Events))
	p.Ended = last == p.Tail && last > 0 && all[last-1].End
	p.Snapshot = last == p.Tail && last > 0 && all[last-1].Snapshot
	return p
}

// append puts events into the log without a notice.
func (b *testLog) append(channel string, data ...string) []tenants.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := len(b.channels[channel])
	for _, d := range data {
		seq := int64(len(b.channels[channel])) + 1
		b.channels[channel] = append(b.channels[channel], tenants.Event{ID: fmt.Sprintf("evt_%s_%d", channel, seq),
			Tenant: ten, Channel: channel, Seq: seq, Type: "t", Data: []byte(d), Time: time.Now()})
	}
	return slices.Clone(b.channels[channel][from:])
}

// rig is a hub on a testLog.
type rig struct {
	t *testing.T
	*testLog
	hub *Hub
}

// inBubble runs f on a hub with simulated time.
func inBubble(t *testing.T, o Options, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, o)
		defer r.hub.Close()
		f(r)
	})
}

func newRig(t *testing.T, o Options) *rig {
	b := newBook()
	if o.Count == 0 { // each interest row is written alone
		o.Count = -1
	}
	o.Log, o.Interest, o.Node = b, b, "nod_1"
	return &rig{t, b, New(o)}
}

// edit changes the log.
func (b *testLog) edit(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// settle waits until all goroutines wait for time to pass.
func (r *rig) settle() { synctest.Wait() }

// pass lets time pass.
func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// publish appends events and notifies the hub, as the appender does for nodes with interest.
func (r *rig) publish(channel string, data ...string) {
	r.t.Helper()
	r.tell(channel, r.append(channel, data...)...)
}

func (r *rig) tell(channel string, events ...tenants.Event) {
	r.t.Helper()
	if err := r.hub.Send(r.t.Context(), "nod_1",
		tenants.InboxMessage{Tenant: ten, Channel: channel, Events: events}); err != nil {
		r.t.Fatal(err)
	}
}

// client is the other end of a connection, and its sink.
type client struct {
	t        *testing.T
	c        *Conn
	channels []string
	released int

	// Guarded by the connection's mu.
	room   int // bytes that it accepts before it is full; -1: any number
	kernel int // accepted bytes that the other end has not acknowledged

	vanished bool  // the other end accepts nothing any more
	acked    int64 // and had accepted this much
	got      []byte
	writes   int
	over     bool // the hub has closed
	shut     bool // the hub has nothing more to send
}

func (cl *client) write(b []byte) (int, bool, error) {
	if cl.over {
		return 0, false, io.ErrClosedPipe
	}
	cl.writes++
	n := len(b)
	if cl.room >= 0 {
		n = min(n, cl.room)
		cl.room -= n
	}
	cl.got = append(cl.got, b[:n]...)
	return n, n == len(b), nil
}

func (cl *client) start() error { return nil }
func (cl *client) shutdown()    { cl.shut = true }
func (cl *client) close()       { cl.over = true }
func (cl *client) reset()       { cl.close() }

func (cl *client) unsent() int {
	if cl.vanished {
		return int(cl.c.sent - cl.acked)
	}
	return cl.kernel
}

// snapshot is a client's state at one moment.
type snapshot struct {
	got              string
	writes, released int
	over, shut       bool
}

func (cl *client) now() snapshot {
	cl.c.mu.Lock()
	defer cl.c.mu.Unlock()
	return snapshot{string(cl.got), cl.writes, cl.released, cl.over, cl.shut}
}

// open connects a client; cursor "" means from now on.
func (r *rig) open(cursor string, channels ...string) *client {
	r.t.Helper()
	return r.with(Subscription{}, cursor, channels...)
}

func (r *rig) with(s Subscription, cursor string, channels ...string) *client {
	r.t.Helper()
	cl := &client{t: r.t, channels: channels, room: -1}
	if cursor != "" {
		var err error
		if s.Positions, err = tenants.ParseCursor(cursor, channels); err != nil {
			r.t.Fatal(err)
		}
	}
	s.Tenant, s.Channels = ten, channels
	s.Release = func() { cl.released++ }
	if s.Format == nil && s.Poll == nil {
		s.Format = sse.Data
	}
	if s.Poll == nil {
		s.Head = []byte("HTTP/1.1 200 OK\r\n\r\n")
	}
	c, err := r.hub.Open(s)
	if err != nil {
		r.t.Fatal(err)
	}
	cl.c = c
	return cl
}

// start attaches the client.
func (cl *client) attach() *client {
	cl.c.mu.Lock()
	defer cl.c.mu.Unlock()
	cl.c.serve(cl)
	return cl
}

// connect opens and attaches.
func (r *rig) connect(cursor string, channels ...string) *client {
	r.t.Helper()
	return r.open(cursor, channels...).attach()
}

// take gives the client room for n more bytes; -1: any number.
func (cl *client) take(n int) {
	cl.c.mu.Lock()
	defer cl.c.mu.Unlock()
	cl.room = n
	cl.c.ready()
}

// leave closes the client's end.
func (cl *client) leave() {
	cl.c.mu.Lock()
	defer cl.c.mu.Unlock()
	cl.c.left()
}

// events returns the events that a browser would dispatch, without the head.
func (cl *client) events() []eventstream.Event {
	cl.t.Helper()
	cl.c.mu.Lock()
	got := bytes.TrimPrefix(bytes.Clone(cl.got), []byte("HTTP/1.1 200 OK\r\n\r\n"))
	cl.c.mu.Unlock()
	d := eventstream.NewDecoder(bytes.NewReader(got), 1<<30)
	var events []eventstream.Event
	for {
		e, err := d.Next()
		if errors.Is(err, io.EOF) {
			return events
		}
		if err != nil {
			cl.t.Fatal(err)
		}
		events = append(events, e)
	}
}

// text returns events and controls in a short form: "open t:data@id …".
func (cl *client) text() string {
	cl.t.Helper()
	var b bytes.Buffer
	for _, e := range cl.events() {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		switch e.Name {
		case sse.Open:
			b.WriteString("open@" + e.ID)
		case sse.Heartbeat:
			b.WriteString("beat")
		case "t":
			b.WriteString(string(e.Data) + "@" + e.ID)
		default:
			b.WriteString(e.Name + string(e.Data) + "@" + e.ID)
		}
	}
	return b.String()
}

func (cl *client) want(want string) {
	cl.t.Helper()
	if got := cl.text(); got != want {
		cl.t.Errorf("got  %s\nwant %s", got, want)
	}
}

// lastID returns the cursor that the client would send back.
func (cl *client) lastID() string {
	id := ""
	for _, e := range cl.events() {
		id = e.ID
	}
	return id
}

// numbers returns "from" to "to", for publish.
func numbers(from, to int) []string {
	var s []string
	for i := from; i <= to; i++ {
		s = append(s, strconv.Itoa(i))
	}
	return s
}
