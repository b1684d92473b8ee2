package tenants

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
)

// EndpointSpec is what a caller chooses of a new endpoint. Its fields are as Endpoint's.
type EndpointSpec struct {
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

// EndpointPatch changes what it names and leaves the rest.
type EndpointPatch struct {
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
	MaxEndpoints           = 1000 // of a tenant, whatever its plan: a Query reads all
	MaxEndpointsPerHost    = 100  // of a tenant: nobody is posted to by a thousand endpoints at once
	MaxEndpointPatterns    = 50   // in Channels and in Types
	MaxEndpointRate        = 1000 // PerSecond
	MaxEndpointConcurrency = 64
	MaxEndpointWaits       = 20 // of a Schedule
	MinEndpointWait        = time.Second
	MaxEndpointWait        = 24 * time.Hour
	MaxEndpointSpan        = 10 * 24 * time.Hour // all waits of a Schedule: an event's row lasts longer than its retries
)

// Destinations says which URLs may be posted to.
type Destinations interface {
	// CheckURL returns the URL in its one normal form. What may not be posted to: Unprocessable invalid_url, at /url, with the reason. It may
	// look the name up, and takes a name that cannot be looked up now: what counts is the address at the time of each attempt.
	CheckURL(ctx context.Context, raw string) (string, error)
}

// Filter decides by a tenant's expression over an event. The interface is here, and what fulfils it in a package of its own.
//
// Obligations: an expression costs bounded work and memory to check and to evaluate, whatever it and the event say, and can do
// nothing but compute. Safe for concurrent use. Equal arguments give equal answers.
type Filter interface {
	// Check refuses what is no expression, or could cost too much: Unprocessable invalid_filter, at /filter, with the position in
	// the text where there is one.
	Check(expression string) error
	// Matches evaluates an expression that Check has passed. What cannot be evaluated on this event (a field that is not there, a payload
	// that is no JSON, too much work): false and an error of kind Unprocessable, code filter_failed, with a detail for the tenant.
	Matches(expression string, e Event) (bool, error)
}

// check refuses an endpoint that could not work. The URL is the Destinations' to check.
func (e Endpoint) check(f Filter) error {
	if err := checkName("/name", e.Name); err != nil {
		return err
	}
	if err := checkPatterns("/channels", "invalid_channel", e.Channels, ValidChannelPattern,
		"a channel is a name, or a name's first segments and .*, or *"); err != nil {
		return err
	}
	if err := checkPatterns("/types", "invalid_type", e.Types, validTypePattern,
		"a type is 1 to 128 letters, digits and . _ : / - or the beginning of one and .*, or *"); err != nil {
		return err
	}
	switch {
	case e.PerSecond < 0 || e.PerSecond > MaxEndpointRate:
		return refused("/per_second", "invalid_rate", "the rate must be 1 to 1000 per second, or 0 for no limit of its own")
	case e.Concurrency < 0 || e.Concurrency > MaxEndpointConcurrency:
		return refused("/concurrency", "invalid_concurrency", "the concurrency must be 1 to 64, or 0 for the default")
	}
	if err := checkSchedule(e.Schedule); err != nil {
		return err
	}
	if e.Filter == "" {
		return nil
	}
	if f == nil {
		return Errorf(Internal, "no_filter", "this process has no filters")
	}
	return f.Check(e.Filter)
}

func checkPatterns(pointer, code string, patterns []string, valid func(string) bool, detail string) error {
	if len(patterns) > MaxEndpointPatterns {
		return refused(pointer, code, "there may be at most 50")
	}
	for i, p := range patterns {
		if !valid(p) {
			return refused(pointer, code, detail)
		}
		if slices.Contains(patterns[:i], p) {
			return refused(pointer, code, "one is given twice")
		}
	}
	return nil
}

// validTypePattern tells whether p is an event's type, Hookcast's own included, or the beginning of one and ".*", or "*".
func validTypePattern(p string) bool {
	p = strings.TrimSuffix(p, ".*")
	if p == "*" {
		return true
	}
	if p == "" || len(p) > maxType {
		return false
	}
	for i := range len(p) {
		if !typeChar(p[i]) {
			return false
		}
	}
	return true
}

func checkSchedule(waits []time.Duration) error {
	if len(waits) > MaxEndpointWaits {
		return refused("/schedule_seconds", "invalid_schedule", "there may be at most 20 retries")
	}
	var span time.Duration
	for _, w := range waits {
		if w < MinEndpointWait || w > MaxEndpointWait {
			return refused("/schedule_seconds", "invalid_schedule", "each wait must be 1 to 86400 seconds")
		}
		span += w
	}
	if span > MaxEndpointSpan {
		return refused("/schedule_seconds", "invalid_schedule", "the waits may be 864000 seconds in all")
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

func (e Endpoint) row() Key { return Key{e.Tenant, rowEndpoints, e.ID} }

func (e Endpoint) put() Op { return Put(e.row(), encodeRecord(e), time.Time{}, Anything()) }

// become changes the state, at the time given.
func (e *Endpoint) become(s EndpointState, reason string, at time.Time) {
	if e.State != s {
		e.State, e.Changed = s, at.UTC().Truncate(time.Second)
	}
	e.Reason = reason
}
