package endpoint

import (
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// Matches tells whether the endpoint's channels, types and filter let the event through. A filter that cannot be evaluated on
// it: false, and Unprocessable filter_failed; an event that goes in circles: false, and Unprocessable too_many_hops. The endpoint's
// State and Created are the caller's to look at, since a replay asks for less.
func (s *Endpoints) Matches(e Endpoint, ev tenants.Event) (bool, error) {
	if !e.WantsChannel(ev.Channel) || !e.WantsType(ev.Type) {
		return false, nil
	}
	if ev.Hops >= tenants.MaxHops {
		return false, tenants.Errorf(tenants.Unprocessable, "too_many_hops", "the event has come by %d deliveries of ours and goes no further", ev.Hops)
	}
	if e.Filter == "" {
		return true, nil
	}
	if s.filter == nil {
		return false, tenants.Errorf(tenants.Internal, "no_filter", "this process has no filters")
	}
	return s.filter.Matches(e.Filter, ev)
}

// wantsChannel: an endpoint gets what is Hookcast's own only where it names such a channel.
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
