package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/source"
)

// subscription is one channel, channel pattern or source to listen to, and the address that its events are forwarded
// to.
type subscription struct {
	text    string                    // the argument without its URL
	source  string                    // id of the only source whose events match; "" for all
	fixed   []string                  // names of channels
	matches func(channel string) bool // matches further channels, known only once they exist; nil if fixed is complete
	forward *url.URL
}

// takes reports whether the event is to be forwarded.
func (w *subscription) takes(e *original) bool {
	if w.source != "" && e.Source != w.source {
		return false
	}
	return slices.Contains(w.fixed, e.Channel) || w.matches != nil && w.matches(e.Channel)
}

// parseSubscription reads a channel, a channel pattern or a source's id. A suffix "=URL" sends its events to URL
// instead of forward.
func parseSubscription(arg, forward string) (w subscription, err error) {
	name, to, own := strings.Cut(arg, "=")
	if !own {
		to = forward
	}
	w.text = name
	if w.forward, err = parseLocal(to); err != nil {
		return w, err
	}
	switch {
	case tenants.ValidID(tenants.PrefixSource, name):
		w.source = name
	case tenants.ValidChannel(name):
		w.fixed = []string{name}
	case tenants.ValidChannelPattern(name):
		w.matches = func(channel string) bool {
			return tenants.ChannelMatches(name, channel) && !tenants.ReservedChannel(channel)
		}
	default:
		return w, failed(exitUsage, "%q is not a channel, a pattern such as orders.*, or a source's id", name)
	}
	return w, nil
}

// parseLocal reads the address of a program. The developer chooses it, so any network is accepted.
func parseLocal(to string) (*url.URL, error) {
	if to == "" {
		return nil, failed(exitUsage,
			"no address to forward to: give one with -forward, such as -forward http://localhost:3000/webhooks")
	}
	if !strings.Contains(to, "://") {
		to = "http://" + to
	}
	u, err := url.Parse(to)
	if err != nil || !isHTTPAddress(u) {
		return nil, failed(exitUsage, "%q is not an address to forward to, such as http://localhost:3000/webhooks", to)
	}
	return u, nil
}

// resolve looks up the channels that the source's events are appended to.
func (w *subscription) resolve(ctx context.Context, c *client) error {
	if w.source == "" {
		return nil
	}
	var s struct{ Channel, Fallback string }
	if err := c.call(ctx, http.MethodGet, "/v1/sources/"+w.source, nil, &s); err != nil {
		return withRoleHint(fmt.Errorf("%s: %w", w.source, err),
			"reading sources requires a key with the role admin or owner; name the source's channels instead")
	}
	template, err := source.ParseTemplate(s.Channel)
	if err != nil {
		return fmt.Errorf("%s: %w", w.source, err)
	}
	if s.Fallback != "" {
		w.fixed = append(w.fixed, s.Fallback)
	}
	if template.Fixed() {
		w.fixed = append(w.fixed, s.Channel)
		return nil
	}
	w.matches = shapeOf(s.Channel)
	return nil
}

// Lengths at which the server cuts a channel's name made by a template, and a segment of it. It then removes trailing
// dots.
const (
	longestName    = 199
	longestSegment = 64
)

// shapeOf returns a function that matches the channels that a template makes. A filled-in value has no dot. Names
// that may have been cut are matched by their beginning alone.
func shapeOf(template string) func(channel string) bool {
	var b strings.Builder
	for rest := template; rest != ""; {
		literal, after, found := strings.Cut(rest, "{")
		b.WriteString(regexp.QuoteMeta(literal))
		if !found {
			break
		}
		b.WriteString("[a-z0-9_-]+")
		_, rest, _ = strings.Cut(after, "}")
	}
	whole := regexp.MustCompile("^" + b.String() + "$")
	begins, _, _ := strings.Cut(template, "{")
	return func(channel string) bool {
		if whole.MatchString(channel) {
			return true
		}
		cut := len(channel) >= longestName ||
			slices.ContainsFunc(strings.Split(channel, "."), func(segment string) bool {
				return len(segment) == longestSegment
			})
		return cut && strings.HasPrefix(channel, begins)
	}
}

// channels returns the names of all channels of the tenant.
func (c *client) channels(ctx context.Context) (names []string, err error) {
	for cursor := ""; ; {
		var page struct {
			Data []struct{ Name string }
			Next *string `json:"next_cursor"`
		}
		if err := c.call(ctx, http.MethodGet, "/v1/channels?limit=100"+cursor, nil, &page); err != nil {
			return nil, err
		}
		for _, ch := range page.Data {
			names = append(names, ch.Name)
		}
		if page.Next == nil {
			return names, nil
		}
		cursor = "&cursor=" + url.QueryEscape(*page.Next)
	}
}
