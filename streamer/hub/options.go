package hub

import (
	"context"
	"log/slog"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// Log is what the hub reads: see [tenants.Log].
type Log interface {
	// Read returns events behind after, in order and without a hole but for the page's Gap.
	Read(ctx context.Context, tenant tenants.TenantID, channel string, after int64, limit int, r tenants.Retention) (eventlog.Page, error)
	// Tail returns the channel's last number, as of a moment within the call.
	Tail(ctx context.Context, tenant tenants.TenantID, channel string) (int64, error)
}

// Interest is where the hub says which channels it serves: see [tenants.Interest].
type Interest interface {
	Register(ctx context.Context, node string, expires time.Time, tenant tenants.TenantID, channel string, subscribers int) error
	Drop(ctx context.Context, node string, tenant tenants.TenantID, channel string) error
}

// Verdict is whether a principal may go on listening.
type Verdict int

const (
	Allowed Verdict = iota
	Denied          // the policy or a revocation took the right away, or the tenant is suspended or gone
	Expired         // the credential is over: its holder may come back with another
)

// Options is what a Hub stands on. Log, Interest and Node are required; zero values of the rest mean the defaults stated.
type Options struct {
	Log      Log
	Interest Interest
	Node     string // this node's id: the name of its interest rows and of its inbox

	// Lease returns until when an interest row that is written now is to live; half-way there it is written again. nil: they never
	// expire.
	Lease func() time.Time
	// Retention returns what of the tenant's channels may be read. Called before each read of the log; nil: everything.
	Retention func(ctx context.Context, t tenants.TenantID) (tenants.Retention, error)
	// Allowed decides whether p may go on listening to channels, and until when at most (zero: p.Expires): a credential can be
	// given an end while it is in use. Called by Recheck, once for each distinct pair, from goroutines that may wait. An error
	// leaves the connections as they are and is asked again. nil: always.
	Allowed func(ctx context.Context, p *tenants.Principal, channels []string) (v Verdict, until time.Time, err error)
	// Hidden returns what of payloads p is not shown. Called by Recheck, as Allowed is and where that allows; an error leaves what was hidden
	// before and is asked again. nil: nothing is hidden.
	Hidden func(ctx context.Context, p *tenants.Principal) (hidden.Hidden, error)
	// Tracer hears what becomes of traced events. nil: nothing is traced. Tracing returns until when the tenant's comings and goings are
	// recorded (zero: they are not); it is called by Recheck, as Allowed is. nil: what Subscription.Traced says stands.
	Tracer  Tracer
	Tracing func(ctx context.Context, t tenants.TenantID) (time.Time, error)
	Logger  *slog.Logger // nil: discards

	Workers     int           // goroutines that write; GOMAXPROCS
	Readers     int           // reads of the log, and writes of interest, at once; 16
	Goroutines  bool          // a goroutine and a blocking writer for each connection even where there is epoll
	Heartbeat   time.Duration // between two signs of life; 20 s. Every second one is a named event
	UnsentAge   time.Duration // a subscriber whose oldest unsent byte is older is cut; 24 s, so that one that vanished is found within 45 s: see vanished_test.go
	UnsentBytes int64         // a live subscriber that is further behind when more comes is cut; 1 MiB
	AntiEntropy time.Duration // between two looks past the last number; 50 s. Twelve times as long where a day was quiet
	Count       time.Duration // between a change of a channel's number of subscribers and its being written; 1 s. Below 0: it is not, but of bound channels
	Linger      time.Duration // interest outlives the last subscriber for so long; 30 s
	Attach      time.Duration // what Open prepared lapses unless attached; 5 s
	Ring        int           // recent events kept for each channel; 256
	RingBytes   int64         // and their size; 1 MiB
	Memory      int64         // bytes of recent events and pages over all channels, from which on topics keep less; 256 MiB
	RetryMin    time.Duration // each connection's retry time is random from here; 1 s
	RetryMax    time.Duration // to here; 5 s
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
		o.Retention = func(context.Context, tenants.TenantID) (tenants.Retention, error) { return tenants.Retention{}, nil }
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
