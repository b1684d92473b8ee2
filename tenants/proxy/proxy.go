package proxy

import (
	"cmp"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Proxy is a tenant's access to another server's event stream: the request that opens it, and what to do with the
// events. The request holds keys that browsers must not see, so it is sealed.
type Proxy struct {
	ID            string
	Tenant        tenants.TenantID
	Name          string
	Method        string // "GET" or "POST"
	Sealed        []byte // a secretRequest, encrypted with Key
	Key           []byte // sealed by the Vault
	Shown         string // the URL without the values of its query
	HeaderNames   []string
	BodyMediaType string // "": there is no body
	Parameters    map[string]Parameter
	Share         bool   // callers with the same values read one upstream
	Channel       string // where the events are stored, may have placeholders; "": see Call
	Redirects     bool   // follow redirects to the same scheme, host and port
	Reconnect     bool   // connect again when a connection ends or breaks
	Limits        Limits
	Revision      int64 // grows with each change; runs of another revision are other runs
	Created       time.Time
}

// Shared reports whether several callers may read one upstream of the proxy.
func (p Proxy) Shared() bool { return p.Share || p.Channel != "" }

// Limits bounds a run of a proxy. 0 means the default.
type Limits struct {
	FirstByte     time.Duration // from the request to the header of the answer
	Idle          time.Duration // between two bytes of a connection
	Total         time.Duration // of a stream
	CollectTotal  time.Duration // of a run whose events are collected
	EventBytes    int           // of one event
	CollectEvents int
	CollectBytes  int // of the data of collected events
}

// bound says which values a field of Limits can have.
type bound struct {
	name        string         // in the API
	most, usual int64          // the largest value and the default; the smallest is 1
	seconds     *time.Duration // the field, if it is a time
	number      *int           // the field, if it is not
}

func (l *Limits) bounds() []bound {
	return []bound{
		{"first_byte_seconds", 300, 30, &l.FirstByte, nil},
		{"idle_seconds", 3600, 120, &l.Idle, nil},
		{"total_seconds", 86400, 86400, &l.Total, nil},
		{"collect_seconds", 900, 120, &l.CollectTotal, nil},
		{"event_bytes", tenants.MaxEventBytes, 256 << 10, nil, &l.EventBytes},
		{"collect_events", 100_000, 10_000, nil, &l.CollectEvents},
		{"collect_bytes", 8 << 20, 1 << 20, nil, &l.CollectBytes},
	}
}

// Named returns every limit by its name in the API, with the defaults.
func (l Limits) Named() map[string]int64 {
	named := make(map[string]int64)
	for _, b := range l.bounds() {
		if b.seconds != nil {
			named[b.name] = cmp.Or(int64(*b.seconds/time.Second), b.usual)
		} else {
			named[b.name] = cmp.Or(int64(*b.number), b.usual)
		}
	}
	return named
}

// LimitNames returns the names that LimitsOf knows, in the order in which to show them.
func LimitNames() []string {
	var names []string
	for _, b := range new(Limits).bounds() {
		names = append(names, b.name)
	}
	return names
}

// LimitsOf returns the named limits, with 0 for the others. It fails with Unprocessable invalid_limits for an unknown
// name or a value out of bounds.
func LimitsOf(named map[string]int64) (l Limits, err error) {
	known := 0
	for _, b := range l.bounds() {
		n, given := named[b.name]
		if !given {
			continue
		}
		known++
		if n < 1 || n > b.most {
			return l, tenants.Errorf(tenants.Unprocessable, "invalid_limits", "%s must be 1 to %d", b.name, b.most)
		}
		if b.seconds != nil {
			*b.seconds = time.Duration(n) * time.Second
		} else {
			*b.number = int(n)
		}
	}
	if known < len(named) {
		return l, tenants.Refused("/limits", "invalid_limits", "the limits must be among those that a proxy has")
	}
	return l, nil
}

// WithDefaults returns the limits with the default in place of each 0.
func (l Limits) WithDefaults() Limits {
	full, _ := LimitsOf(l.Named()) // Named returns only values within their bounds
	return full
}

// Kinds returns the kinds of rows that tenants have here.
func Kinds() []tenants.TenantKind { return []tenants.TenantKind{{Kind: rowProxies, AtOnce: true}} }
