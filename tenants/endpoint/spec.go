package endpoint

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Spec holds the values of a new endpoint that its creator chooses. The fields are those of Endpoint.
type Spec struct {
	Name         string
	URL          string
	Channels     []string
	Types        []string
	Filter       string
	Headers      map[string]string
	Ordered      bool
	PerSecond    int
	Concurrency  int
	Schedule     []time.Duration
	SecretScheme string // SchemeV1, SchemeV1a; "" is SchemeV1
	Secret       string // "": a new one; must be "" with SchemeV1a
}

// Patch is a change of an endpoint. A nil field leaves the value as it is.
type Patch struct {
	Name        *string
	URL         *string
	Channels    *[]string
	Types       *[]string
	Filter      *string
	Headers     *map[string]string // replaces all headers
	Ordered     *bool
	PerSecond   *int
	Concurrency *int
	Schedule    *[]time.Duration
}

// Bounds of an endpoint.
const (
	MaxPatterns    = 50   // of Channels and of Types
	MaxRate        = 1000 // of PerSecond
	MaxConcurrency = 64
	MaxWaits       = 20  // of Schedule
	MaxPerHost     = 100 // endpoints of a tenant: a thousand at one host would be an attack on it

	maxEndpoints = 1000 // of a tenant on any plan, so that one query reads them all
	minWait      = time.Second
	maxWait      = 24 * time.Hour
	maxSpan      = 10 * 24 * time.Hour // of all waits in a Schedule: an event's row outlives its retries
)

// check refuses an endpoint that could not work. Destinations checks the URL.
func (e Endpoint) check(f tenants.Filter) error {
	if err := tenants.CheckName("/name", e.Name); err != nil {
		return err
	}
	if err := CheckPatterns("/channels", "invalid_channel", e.Channels, tenants.ValidChannelPattern,
		"a channel must be a name, a prefix such as orders.*, or *"); err != nil {
		return err
	}
	if err := CheckPatterns("/types", "invalid_type", e.Types, ValidTypePattern,
		"a type must be 1 to 128 letters, digits and . _ : / -, a prefix such as order.*, or *"); err != nil {
		return err
	}
	switch {
	case e.PerSecond < 0 || e.PerSecond > MaxRate:
		return tenants.Refused("/per_second", "invalid_rate",
			"the rate must be 1 to 1000 per second, or 0 for no limit of its own")
	case e.Concurrency < 0 || e.Concurrency > MaxConcurrency:
		return tenants.Refused("/concurrency", "invalid_concurrency",
			"the concurrency must be 1 to 64, or 0 for the default")
	}
	if err := checkSchedule(e.Schedule); err != nil {
		return err
	}
	if e.Filter == "" {
		return nil
	}
	if f == nil {
		return errNoFilter()
	}
	return f.Check(e.Filter)
}

func errNoFilter() error {
	return tenants.Errorf(tenants.Internal, "no_filter", "this process cannot evaluate filters")
}

// CheckPatterns refuses more than MaxPatterns patterns, an invalid one, with the given detail, and one that occurs
// twice. The error is Unprocessable with the given code, at pointer.
func CheckPatterns(pointer, code string, patterns []string, valid func(string) bool, detail string) error {
	if len(patterns) > MaxPatterns {
		return tenants.Refused(pointer, code, "the list must have at most 50 items")
	}
	for i, p := range patterns {
		if !valid(p) {
			return tenants.Refused(pointer, code, detail)
		}
		if slices.Contains(patterns[:i], p) {
			return tenants.Refused(pointer, code, "the list must not contain an item twice")
		}
	}
	return nil
}

// ValidTypePattern reports whether p is an event type (Hookcast's own included), a prefix of one followed by ".*", or
// "*".
func ValidTypePattern(p string) bool {
	p = strings.TrimSuffix(p, ".*")
	if p == "*" {
		return true
	}
	if p == "" || len(p) > tenants.MaxType {
		return false
	}
	for i := range len(p) {
		if !tenants.TypeChar(p[i]) {
			return false
		}
	}
	return true
}

func checkSchedule(waits []time.Duration) error {
	if len(waits) > MaxWaits {
		return tenants.Refused("/schedule_seconds", "invalid_schedule", "the schedule must have at most 20 waits")
	}
	var span time.Duration
	for _, w := range waits {
		if w < minWait || w > maxWait {
			return tenants.Refused("/schedule_seconds", "invalid_schedule", "each wait must be 1 to 86400 seconds")
		}
		span += w
	}
	if span > maxSpan {
		return tenants.Refused("/schedule_seconds", "invalid_schedule",
			"the waits must add up to at most 864000 seconds")
	}
	return nil
}

// Host returns the host of the endpoint's URL in lower case, without a port.
func (e Endpoint) Host() string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// Matches reports whether the event passes the endpoint's channels, types and filter. If the filter cannot be
// evaluated: false and Unprocessable filter_failed. If the event has passed through tenants.MaxHops deliveries: false
// and Unprocessable too_many_hops. The caller checks State and Created, which a replay does not need.
func (s *Endpoints) Matches(e Endpoint, ev tenants.Event) (bool, error) {
	if !e.WantsChannel(ev.Channel) || !e.WantsType(ev.Type) {
		return false, nil
	}
	if ev.Hops >= tenants.MaxHops {
		return false, tenants.Errorf(tenants.Unprocessable, "too_many_hops",
			"the event has passed through %d deliveries and goes no further", ev.Hops)
	}
	if e.Filter == "" {
		return true, nil
	}
	if s.filter == nil {
		return false, errNoFilter()
	}
	return s.filter.Matches(e.Filter, ev)
}

// WantsChannel reports whether the endpoint's Channels include the channel. Hookcast's own channels must be listed by
// name or by prefix.
func (e Endpoint) WantsChannel(name string) bool {
	if len(e.Channels) == 0 {
		return !tenants.ReservedChannel(name)
	}
	for _, p := range e.Channels {
		if tenants.ChannelMatches(p, name) && (p != "*" || !tenants.ReservedChannel(name)) {
			return true
		}
	}
	return false
}

// WantsType reports whether the endpoint's Types include the type.
func (e Endpoint) WantsType(name string) bool {
	if len(e.Types) == 0 {
		return true
	}
	for _, p := range e.Types {
		prefix, wild := strings.CutSuffix(p, "*")
		if p == name || wild && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (e Endpoint) row() tenants.Key {
	return tenants.Key{Tenant: e.Tenant, Kind: rowEndpoints, Sort: e.ID}
}

func (e Endpoint) put() tenants.Op {
	return tenants.Put(e.row(), record.Encode(e), time.Time{}, tenants.Anything())
}
