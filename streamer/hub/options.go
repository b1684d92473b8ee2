package hub

import (
	"context"
	"log/slog"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// Log is the part of [tenants.Log] that the hub reads.
type Log interface {
	// Read returns events after the number given, in order and without holes, except for the page's Gap.
	Read(
		ctx context.Context, tenant tenants.TenantID, channel string, after int64, limit int, r tenants.Retention,
	) (eventlog.Page, error)
	// Tail returns the channel's last number as of a moment within the call.
	Tail(ctx context.Context, tenant tenants.TenantID, channel string) (int64, error)
}

// Interest is the part of [tenants.Interest] by which the hub says which channels it serves.
type Interest interface {
	Register(
		ctx context.Context, node string, expires time.Time, tenant tenants.TenantID, channel string, subscribers int,
	) error
	Drop(ctx context.Context, node string, tenant tenants.TenantID, channel string) error
}

// Verdict says whether a principal may go on listening.
type Verdict int

const (
	Allowed Verdict = iota
	Denied          // the policy or a revocation took the right away, or the tenant is suspended or deleted
	Expired         // the credential has expired: its holder may come back with another
)

// Options configures a Hub. Log, Interest and Node are required; zero values of the rest mean the defaults stated.
type Options struct {
	Log      Log
	Interest Interest
	Node     string // this node's id, which names its interest rows and its inbox

	// Lease returns the expiry of an interest row that is written now; half-way there it is written again. nil: rows
	// never expire.
	Lease func() time.Time
	// Retention returns the part of the tenant's channels that may be read. Called before each read of the log; nil:
	// everything.
	Retention func(ctx context.Context, t tenants.TenantID) (tenants.Retention, error)
	// Allowed decides whether p may go on listening to channels, and until when at most (zero: p.Expires), because a
	// credential in use can be given an end. Recheck calls it once for each distinct pair, from goroutines that may
	// block. After an error the connections stay as they are and Allowed is called again. nil: always allowed.
	Allowed func(ctx context.Context, p *tenants.Principal, channels []string) (v Verdict, until time.Time, err error)
	// Hidden returns the fields of payloads that p must not see. Recheck calls it after Allowed has allowed p. After
	// an error the fields hidden before stay hidden and it is called again. nil: nothing is hidden.
	Hidden func(ctx context.Context, p *tenants.Principal) (hidden.Hidden, error)
	// Tracer records the steps of traced events. nil: nothing is traced. Tracing returns until when the tenant's
	// sessions are recorded (zero: they are not); Recheck calls it as it calls Allowed. nil: Subscription.Traced
	// decides.
	Tracer  Tracer
	Tracing func(ctx context.Context, t tenants.TenantID) (time.Time, error)
	Logger  *slog.Logger // nil: discards

	Workers    int           // goroutines that write; GOMAXPROCS
	Readers    int           // concurrent reads of the log and writes of interest; 16
	Goroutines bool          // a goroutine and a blocking writer per connection even where epoll exists
	Heartbeat  time.Duration // between two signs of life; 20 s. Every second one is a named event
	// A subscriber whose oldest unsent byte is older is cut; 24 s, so that a vanished one is found within 45 s: see
	// vanished_test.go.
	UnsentAge   time.Duration
	UnsentBytes int64 // a live subscriber that is further behind when more comes is cut; 1 MiB
	// AntiEntropy is the time between two reads past the last number; 50 s. Twelve times as long after a quiet day.
	AntiEntropy time.Duration
	// Count is the delay between a change of a channel's number of subscribers and its write; 1 s. Negative: only
	// bound channels are counted.
	Count     time.Duration
	Linger    time.Duration // how long interest outlives the last subscriber; 30 s
	Attach    time.Duration // a prepared connection lapses unless attached in this time; 5 s
	Ring      int           // recent events kept per channel; 256
	RingBytes int64         // and their size; 1 MiB
	// Memory is the size of recent events and pages over all channels from which on topics keep less; 256 MiB.
	Memory   int64
	RetryMin time.Duration // lower bound of each connection's random retry time; 1 s
	RetryMax time.Duration // upper bound; 5 s
}

func (o *Options) defaults() {
	set(&o.Readers, 16)
	set(&o.Heartbeat, 20*time.Second)
	set(&o.UnsentAge, 24*time.Second)
	set(&o.UnsentBytes, 1<<20)
	set(&o.AntiEntropy, 50*time.Second)
	if o.Count == 0 {
		o.Count = time.Second
	}
	set(&o.Linger, 30*time.Second)
	set(&o.Attach, 5*time.Second)
	set(&o.Ring, 256)
	set(&o.RingBytes, 1<<20)
	set(&o.Memory, 256<<20)
	set(&o.RetryMin, time.Second)
	set(&o.RetryMax, max(5*time.Second, o.RetryMin))
	if o.Lease == nil {
		o.Lease = func() time.Time { return time.Time{} }
	}
	if o.Retention == nil {
		o.Retention = func(context.Context, tenants.TenantID) (tenants.Retention, error) {
			return tenants.Retention{}, nil
		}
	}
	if o.Allowed == nil {
		o.Allowed = func(context.Context, *tenants.Principal, []string) (Verdict, time.Time, error) {
			return Allowed, time.Time{}, nil
		}
	}
	if o.Hidden == nil {
		o.Hidden = func(context.Context, *tenants.Principal) (hidden.Hidden, error) { return "", nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func set[T int | int64 | time.Duration](field *T, def T) {
	if *field <= 0 {
		*field = def
	}
}
