package proxy

import (
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Proxy is a registration of somebody else's event stream: the request that opens it, which holds a key that browsers are not to see, and
// how its events are handed on. URL, headers and body are sealed.
type Proxy struct {
	ID            string
	Tenant        tenants.TenantID
	Name          string
	Method        string // "GET" or "POST"
	Sealed        []byte // a secretRequest, under Key
	Key           []byte // sealed by the Vault
	Shown         string // the URL as it may be shown: without the values of its query
	HeaderNames   []string
	BodyMediaType string // "": there is no body
	Parameters    map[string]Parameter
	// Share: whoever asks with the same parameters hears one upstream, wherever it runs. Else each has one of their own.
	Share bool
	// Channel is where the events are kept, which may have holes; "": one of Hookcast's own where the upstream is shared, and none where not.
	Channel   string
	Redirects bool // follow redirects to the same scheme, host and port
	Reconnect bool // go on with another connection when one ends or breaks
	Limits    Limits
	Revision  int64 // grows with each change: what is asked for behind it is another run
	Created   time.Time
}

// Shared tells whether an upstream of the proxy is for more than one caller.
func (p Proxy) Shared() bool { return p.Share || p.Channel != "" }

// Limits bounds one run of a proxy. 0 means the default.
type Limits struct {
	FirstByte     time.Duration // from the request to the head of its answer
	Idle          time.Duration // between two bytes of a connection
	Total         time.Duration // of a stream
	CollectTotal  time.Duration // of a run whose events are collected
	EventBytes    int           // of one event
	CollectEvents int
	CollectBytes  int // of their data
}

// bound is what a field of Limits can be.
type bound struct {
	name        string
	least, most int64 // seconds, or bytes, or a number
	usual       int64
	field       func(*Limits) *time.Duration // of one in seconds
	count       func(*Limits) *int           // of the others
}

func bounds() []bound {
	return []bound{
		{name: "first_byte_seconds", least: 1, most: 300, usual: 30, field: func(l *Limits) *time.Duration { return &l.FirstByte }},
		{name: "idle_seconds", least: 1, most: 3600, usual: 120, field: func(l *Limits) *time.Duration { return &l.Idle }},
		{name: "total_seconds", least: 1, most: 86400, usual: 86400, field: func(l *Limits) *time.Duration { return &l.Total }},
		{name: "collect_seconds", least: 1, most: 900, usual: 120, field: func(l *Limits) *time.Duration { return &l.CollectTotal }},
		{name: "event_bytes", least: 1, most: tenants.MaxEventBytes, usual: 256 << 10, count: func(l *Limits) *int { return &l.EventBytes }},
		{name: "collect_events", least: 1, most: 100_000, usual: 10_000, count: func(l *Limits) *int { return &l.CollectEvents }},
		{name: "collect_bytes", least: 1, most: 8 << 20, usual: 1 << 20, count: func(l *Limits) *int { return &l.CollectBytes }},
	}
}

// Named gives every bound under its name in the API, defaults worked out.
func (l Limits) Named() map[string]int64 {
	named := make(map[string]int64)
	for _, b := range bounds() {
		named[b.name] = b.get(&l)
	}
	return named
}

func (b bound) get(l *Limits) int64 {
	n := int64(0)
	if b.field != nil {
		n = int64(*b.field(l) / time.Second)
	} else {
		n = int64(*b.count(l))
	}
	if n == 0 {
		return b.usual
	}
	return n
}

// LimitNames are the names that LimitsOf takes, in the order to show them.
func LimitNames() []string {
	var names []string
	for _, b := range bounds() {
		names = append(names, b.name)
	}
	return names
}

// LimitsOf makes limits of what is named; the rest has its default. Unprocessable invalid_limits: there is no such limit, or it cannot
// be that.
func LimitsOf(named map[string]int64) (l Limits, err error) {
	known := 0
	for _, b := range bounds() {
		n, given := named[b.name]
		if !given {
			continue
		}
		known++
		if n < b.least || n > b.most {
			return l, tenants.Errorf(tenants.Unprocessable, "invalid_limits", "%s must be %d to %d", b.name, b.least, b.most)
		}
		if b.field != nil {
			*b.field(&l) = time.Duration(n) * time.Second
		} else {
			*b.count(&l) = int(n)
		}
	}
	if known < len(named) {
		return l, tenants.Refused("/limits", "invalid_limits", "there is no limit of that name")
	}
	return l, nil
}

// WithDefaults returns the limits with the defaults in the place of what is 0.
func (l Limits) WithDefaults() Limits {
	full, _ := LimitsOf(l.Named()) // which are within their bounds
	return full
}

// Kinds are the kinds of rows that tenants have here.
func Kinds() []tenants.TenantKind { return []tenants.TenantKind{{Kind: rowProxies, AtOnce: true}} }
