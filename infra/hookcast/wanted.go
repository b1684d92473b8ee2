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
)

// wanted is one thing to listen to, and where its events go.
type wanted struct {
	text    string // as it was asked for, without the URL
	source  string // only what this source took in; "": all
	fixed   []string
	matches func(channel string) bool // of channels whose names are known only when there are any; nil: fixed is all
	forward *url.URL
}

// takes tells whether an event of the channel is one of those that were asked for.
func (w *wanted) takes(e *original) bool {
	if w.source != "" && e.Source != w.source {
		return false
	}
	for _, name := range w.fixed {
		if name == e.Channel {
			return true
		}
	}
	return w.matches != nil && w.matches(e.Channel)
}

// parseWanted reads a channel, a pattern of channels or a source's id, with "=URL" behind it where its events go elsewhere than to forward.
func parseWanted(arg, forward string) (w wanted, err error) {
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
		return w, failed(exitUsage, "%q is neither a channel, nor a pattern such as orders.*, nor a source's id", name)
	}
	return w, nil
}

// parseLocal reads the address of a program. It is the developer's own: any network will do.
func parseLocal(to string) (*url.URL, error) {
	if to == "" {
		return nil, failed(exitUsage, "say with -forward where the events go: -forward http://localhost:3000/webhooks")
	}
	if !strings.Contains(to, "://") {
		to = "http://" + to
	}
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, failed(exitUsage, "%q is no address to forward to, such as http://localhost:3000/webhooks", to)
	}
	return u, nil
}

// resolve finds out which channels a source's events come into.
func (w *wanted) resolve(ctx context.Context, c *client) error {
	if w.source == "" {
		return nil
	}
	var s struct{ Channel, Fallback string }
	if err := c.call(ctx, http.MethodGet, "/v1/sources/"+w.source, nil, &s); err != nil {
		return needs(fmt.Errorf("%s: %w", w.source, err), "to see sources takes a key of the role admin or owner; name the source's channels instead")
	}
	template, err := tenants.ParseTemplate(s.Channel)
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

// A channel's name, and a segment of one, are cut at these lengths; trailing dots go, too.
const (
	longestName    = 199
	longestSegment = 64
)

// shapeOf matches the channels that a template makes. What is filled in has no dot; only names that were cut at their longest may have another
// shape, and are matched by how they begin.
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
		cut := strings.HasPrefix(channel, begins) && slices.ContainsFunc(strings.Split(channel, "."), func(segment string) bool { return len(segment) == longestSegment })
		return whole.MatchString(channel) || cut || strings.HasPrefix(channel, begins) && len(channel) >= longestName
	}
}

// channels lists the names of all channels that there are.
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
