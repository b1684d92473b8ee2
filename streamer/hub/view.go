package hub

import (
	"slices"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// view is an event as those see it from whom the same is hidden. It is made once for each such set of fields, whatever the number of
// subscribers, formats and polls.
type view struct {
	hidden hidden.Hidden
	event  *tenants.Event
}

// formsKept bounds how many views and frames of an event are kept. A tenant whose subscribers see it in more ways pays for that
// with work for each of them rather than with memory and a search that grow with them.
const formsKept = 64

// view returns the i-th entry's event without what is hidden.
func (s *segment) view(i int, hidden hidden.Hidden) *tenants.Event {
	e := &s.entries[i]
	if hidden == "" {
		return e.event
	}
	for _, v := range e.views {
		if v.hidden == hidden {
			return v.event
		}
	}
	made := view{hidden, hidden.View(e.event)}
	if len(e.views) < formsKept {
		e.views = append(e.views, made)
		s.bytes += made.weight(e)
	}
	return made.event
}

// weight is what the view holds in memory besides its entry.
func (v view) weight(e *entry) int64 {
	if v.event == e.event {
		return 0
	}
	return entryOverhead + int64(len(v.event.Data))
}

// Conceal says what of payloads the connection is not to show: for the route, which finds that out when the hub knows the connection
// already, and before it is attached. What changes later is seen by Recheck.
func (c *Conn) Conceal(hidden hidden.Hidden) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conceal(hidden)
}

// conceal changes what is hidden. Frames that are on their way out stay as they are; what a poll has collected is looked at again, and
// may so hide both what was to be hidden before and what is now. c.mu held.
func (c *Conn) conceal(hidden hidden.Hidden) {
	if c.hidden == hidden {
		return
	}
	c.hidden = hidden
	if c.poll == nil {
		return
	}
	for i := range c.poll.items {
		if item := &c.poll.items[i]; item.Event != nil {
			item.Event = hidden.View(item.Event)
		}
	}
}

// concealFrom is conceal for who was asked about, some time ago: a connection that has been renewed since has been asked about since.
// c.mu must not be held.
func (c *Conn) concealFrom(p *tenants.Principal, hidden hidden.Hidden) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q := c.principal; q == p || q != nil && p != nil && q.SameAs(*p) && slices.Equal(q.Roles, p.Roles) {
		c.conceal(hidden)
	}
}
