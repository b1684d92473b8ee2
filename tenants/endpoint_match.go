package tenants

import "strings"

// MaxHops is how many deliveries of ours an event may have come by. One that has come by so many goes to no endpoint: somebody's
// server sends us back what we send it.
const MaxHops = 3

// HeaderHops is the header that says by how many deliveries a request has come, ours included. What takes events in puts it
// into Event.Hops.
const HeaderHops = "Hookcast-Hops"

// HopsOf reads HeaderHops from headers with canonical keys; 0 where it is not there. Who sends it can only shorten the way of their own
// events, so that it needs no signature. Anything but a small number: MaxHops.
func HopsOf(header map[string][]string) int {
	values := header[HeaderHops]
	if len(values) == 0 {
		return 0
	}
	if len(values) > 1 || len(values[0]) != 1 || values[0][0] < '0' || values[0][0] > '9' {
		return MaxHops
	}
	return min(int(values[0][0]-'0'), MaxHops)
}

// Matches tells whether the endpoint's channels, types and filter let the event through. A filter that cannot be evaluated on
// it: false, and Unprocessable filter_failed; an event that goes in circles: false, and Unprocessable too_many_hops. The endpoint's
// State and Created are the caller's to look at, since a replay asks for less.
func (s *Endpoints) Matches(e Endpoint, ev Event) (bool, error) {
	if !e.wantsChannel(ev.Channel) || !e.wantsType(ev.Type) {
		return false, nil
	}
	if ev.Hops >= MaxHops {
		return false, Errorf(Unprocessable, "too_many_hops", "the event has come by %d deliveries of ours and goes no further", ev.Hops)
	}
	if e.Filter == "" {
		return true, nil
	}
	if s.filter == nil {
		return false, Errorf(Internal, "no_filter", "this process has no filters")
	}
	return s.filter.Matches(e.Filter, ev)
}

// wantsChannel: an endpoint gets what is Hookcast's own only where it names such a channel.
func (e Endpoint) wantsChannel(name string) bool {
	if len(e.Channels) == 0 {
		return !ReservedChannel(name)
	}
	for _, p := range e.Channels {
		if ChannelMatches(p, name) && (p != "*" || !ReservedChannel(name)) {
			return true
		}
	}
	return false
}

func (e Endpoint) wantsType(name string) bool {
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
