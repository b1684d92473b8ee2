package endpoint

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Spec is what a caller chooses of a new endpoint. Its fields are as Endpoint's.
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
	SecretScheme string // "v1", "v1a"; "" is "v1"
	Secret       string // "": one is made. The tenant's own only with v1
}

// Patch changes what it names and leaves the rest.
type Patch struct {
	Name        *string
	URL         *string
	Channels    *[]string
	Types       *[]string
	Filter      *string
	Headers     *map[string]string // all of them anew
	Ordered     *bool
	PerSecond   *int
	Concurrency *int
	Schedule    *[]time.Duration
}

// Bounds of endpoints.
const (
	maxEndpoints   = 1000 // of a tenant, whatever its plan: a Query reads all
	MaxPerHost     = 100  // of a tenant: nobody is posted to by a thousand endpoints at once
	MaxPatterns    = 50   // in Channels and in Types
	MaxRate        = 1000 // PerSecond
	MaxConcurrency = 64
	MaxWaits       = 20 // of a Schedule
	minWait        = time.Second
	maxWait        = 24 * time.Hour
	maxSpan        = 10 * 24 * time.Hour // all waits of a Schedule: an event's row lasts longer than its retries
)

// check refuses an endpoint that could not work. The URL is the Destinations' to check.
func (e Endpoint) check(f tenants.Filter) error {
	if err := tenants.CheckName("/name", e.Name); err != nil {
		return err
	}
	if err := CheckPatterns("/channels", "invalid_channel", e.Channels, tenants.ValidChannelPattern,
		"a channel is a name, or a name's first segments and .*, or *"); err != nil {
		return err
	}
	if err := CheckPatterns("/types", "invalid_type", e.Types, ValidTypePattern,
		"a type is 1 to 128 letters, digits and . _ : / - or the beginning of one and .*, or *"); err != nil {
		return err
	}
	switch {
	case e.PerSecond < 0 || e.PerSecond > MaxRate:
		return tenants.Refused("/per_second", "invalid_rate", "the rate must be 1 to 1000 per second, or 0 for no limit of its own")
	case e.Concurrency < 0 || e.Concurrency > MaxConcurrency:
		return tenants.Refused("/concurrency", "invalid_concurrency", "the concurrency must be 1 to 64, or 0 for the default")
	}
	if err := checkSchedule(e.Schedule); err != nil {
		return err
	}
	if e.Filter == "" {
		return nil
	}
	if f == nil {
		return tenants.Errorf(tenants.Internal, "no_filter", "this process has no filters")
	}
	return f.Check(e.Filter)
}

func CheckPatterns(pointer, code string, patterns []string, valid func(string) bool, detail string) error {
	if len(patterns) > MaxPatterns {
		return tenants.Refused(pointer, code, "there may be at most 50")
	}
	for i, p := range patterns {
		if !valid(p) {
			return tenants.Refused(pointer, code, detail)
		}
		if slices.Contains(patterns[:i], p) {
			return tenants.Refused(pointer, code, "one is given twice")
		}
	}
	return nil
}

// ValidTypePattern tells whether p is an event's type, Hookcast's own included, or the beginning of one and ".*", or "*".
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
		return tenants.Refused("/schedule_seconds", "invalid_schedule", "there may be at most 20 retries")
	}
	var span time.Duration
	for _, w := range waits {
		if w < minWait || w > maxWait {
			return tenants.Refused("/schedule_seconds", "invalid_schedule", "each wait must be 1 to 86400 seconds")
		}
		span += w
	}
	if span > maxSpan {
		return tenants.Refused("/schedule_seconds", "invalid_schedule", "the waits may be 864000 seconds in all")
	}
	return nil
}

// Host is the host that the endpoint's URL names, in lower case, without a port.
func (e Endpoint) Host() string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func (e Endpoint) row() tenants.Key {
	return tenants.Key{Tenant: e.Tenant, Kind: rowEndpoints, Sort: e.ID}
}

func (e Endpoint) put() tenants.Op {
	return tenants.Put(e.row(), record.Encode(e), time.Time{}, tenants.Anything())
}

// become changes the state, at the time given.
func (e *Endpoint) become(s State, reason string, at time.Time) {
	if e.State != s {
		e.State, e.Changed = s, at.UTC().Truncate(time.Second)
	}
	e.Reason = reason
}
