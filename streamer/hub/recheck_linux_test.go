package hub

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/hidden"
)

const (
	recheckStreams = 15_000
	recheckRows    = 1_000
)

// changing is a policy that differs at each read.
type changing struct {
	mu      sync.Mutex
	rules   []access.Rule
	version int64
}

func (c *changing) Policies(context.Context, tenants.TenantID) ([]access.Rule, int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rules, c.version, nil
}

func (c *changing) change() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
}

// timingSink is a sink that accepts everything and reports the times of writes.
type timingSink struct{ at chan time.Time }

func (l timingSink) write(b []byte) (int, bool, error) {
	if l.at != nil {
		l.at <- time.Now()
	}
	return len(b), true, nil
}
func (timingSink) start() error { return nil }
func (timingSink) shutdown()    {}
func (timingSink) close()       {}
func (timingSink) reset()       {}
func (timingSink) unsent() int  { return 0 }

// BenchmarkRecheck measures the cost of changing a policy of 1,000 rows on a node with 15,000 streams of as many
// subjects: the time until all are rechecked, and processor time. late is the 99th percentile of another tenant's
// delivery meanwhile, compared with quiet.
//
//	go test -run ^$ -bench Recheck -benchtime 5x ./streamer/hub
func BenchmarkRecheck(b *testing.B) {
	rule := func(subject, object, action, effect string) access.Rule {
		return access.Rule{Subject: subject, Object: object, Action: action, Effect: effect}
	}
	for name, c := range map[string]struct {
		channel func(i int) string
		row     func(i int) access.Rule
	}{
		"roles": {
			func(i int) string { return fmt.Sprint("c", i%200) },
			func(i int) access.Rule { return rule("role:viewer", fmt.Sprint("channel:c", i), "publish", "allow") },
		},
		"a channel each": {
			func(i int) string { return fmt.Sprint("user.", i) },
			func(i int) access.Rule { return rule("role:viewer", fmt.Sprint("channel:c", i), "publish", "allow") },
		},
		"rows of subjects": {
			func(i int) string { return fmt.Sprint("c", i%200) },
			func(i int) access.Rule { return rule(fmt.Sprint("user:s", i), "channel:vip", "subscribe", "allow") },
		},
		"fields": {
			func(i int) string { return fmt.Sprint("c", i%200) },
			func(i int) access.Rule {
				if i < access.MaxFields {
					return rule("role:viewer", fmt.Sprint("field:customer.f", i), "read", "deny")
				}
				return rule("role:viewer", fmt.Sprint("channel:c", i), "publish", "allow")
			},
		},
	} {
		b.Run(name, func(b *testing.B) {
			var rules []access.Rule
			for i := range recheckRows {
				rules = append(rules, c.row(i))
			}
			benchmarkRecheck(b, rules, c.channel)
		})
	}
}

// quietLog is an empty log.
type quietLog struct{}

func (quietLog) Tail(context.Context, tenants.TenantID, string) (int64, error) { return 0, nil }
func (quietLog) Read(_ context.Context, _ tenants.TenantID, _ string, after int64, _ int,
	_ tenants.Retention) (eventlog.Page, error) {
	return eventlog.Page{Tail: after}, nil
}
func (quietLog) Register(context.Context, string, time.Time, tenants.TenantID, string, int) error {
	return nil
}
func (quietLog) Drop(context.Context, string, tenants.TenantID, string) error { return nil }

func benchmarkRecheck(b *testing.B, rules []access.Rule, channel func(int) string) {
	if err := access.Check(rules); err != nil {
		b.Fatal(err)
	}
	stored := &changing{rules: rules, version: 1}
	gate, err := access.NewGate(stored)
	if err != nil {
		b.Fatal(err)
	}
	h := recheckHub(b, gate)
	for i := range recheckStreams {
		connectTo(b, h, ten, fmt.Sprint("s", i), channel(i), timingSink{})
	}
	other := timingSink{make(chan time.Time, 16)}
	c := connectTo(b, h, "ten_b", "x", "a", other)
	<-other.at // the first frame
	greeted := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.greeted
	}
	for !greeted() {
		time.Sleep(time.Millisecond)
	}
	seq := int64(0)
	deliver := func() time.Duration {
		seq++
		sent := time.Now()
		h.Deliver(tenants.InboxMessage{Tenant: "ten_b", Channel: "a",
			Events: []tenants.Event{{Tenant: "ten_b", Channel: "a", Seq: seq, Type: "t", Data: []byte("{}")}}})
		return (<-other.at).Sub(sent)
	}
	var quiet, late []time.Duration
	for range 500 {
		quiet = append(quiet, deliver())
		time.Sleep(time.Millisecond)
	}
	var took, spent []time.Duration
	for b.Loop() {
		stored.change()
		gate.Forget(ten)
		cpu, begin := processorTime(b), time.Now()
		h.Recheck(ten)
		for h.rechecking(ten) {
			late = append(late, deliver())
			time.Sleep(time.Millisecond)
		}
		took, spent = append(took, time.Since(begin)), append(spent, processorTime(b)-cpu)
	}
	slices.Sort(quiet)
	slices.Sort(late)
	slices.Sort(took)
	slices.Sort(spent)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[len(took)/2]), "ms/change")
	b.ReportMetric(ms(spent[len(spent)/2]), "cpu-ms/change")
	b.ReportMetric(ms(quiet[len(quiet)*99/100]), "quiet-p99-ms")
	b.ReportMetric(ms(late[len(late)*99/100]), "late-p99-ms")
	b.ReportMetric(0, "ns/op")
}

// rechecking reports whether the tenant's connections are being rechecked.
func (h *Hub) rechecking(t tenants.TenantID) bool {
	h.rechecks.mu.Lock()
	defer h.rechecks.mu.Unlock()
	_, running := h.rechecks.wanted[t]
	return running
}

// processorTime returns this process's user and system time.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// recheckHub makes a hub on an empty log whose decisions are the gate's.
func recheckHub(b *testing.B, gate *access.Gate) *Hub {
	b.Helper()
	h := New(Options{
		Log: quietLog{}, Interest: quietLog{}, Node: "nod_1", Heartbeat: time.Hour, Count: -1,
		Allowed: func(ctx context.Context, p *tenants.Principal, channels []string) (Verdict, time.Time, error) {
			for _, c := range channels {
				if ok, err := gate.Allow(ctx, *p, access.Channel(c), access.Subscribe); err != nil || !ok {
					return Denied, time.Time{}, err
				}
			}
			return Allowed, time.Time{}, nil
		},
		Hidden: func(ctx context.Context, p *tenants.Principal) (hidden.Hidden, error) { return gate.Hidden(ctx, *p) },
	})
	b.Cleanup(h.Close)
	return h
}

// connectTo opens a connection of the subject and serves it with s.
func connectTo(b *testing.B, h *Hub, t tenants.TenantID, subject, channel string, s sink) *Conn {
	b.Helper()
	c, err := h.Open(Subscription{Tenant: t, Channels: []string{channel}, Format: sse.Data,
		Principal: &tenants.Principal{Tenant: t, Subject: subject, TokenID: "tok_" + subject,
			Roles: []string{tenants.RoleViewer}}})
	if err != nil {
		b.Fatal(err)
	}
	c.mu.Lock()
	c.serve(s)
	c.mu.Unlock()
	return c
}
