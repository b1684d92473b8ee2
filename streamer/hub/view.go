package hub

import (
	"slices"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// view is an event without a set of hidden fields. It is made once for each such set, whatever the number of
// subscribers, formats and polls.
type view struct {
	hidden hidden.Hidden
	event  *tenants.Event
}

// formsKept bounds the views and frames kept of an event. A tenant whose subscribers see it in more forms pays for
// that with repeated work, not with memory and a search that grow with the forms.
const formsKept = 64

// view returns the i-th entry's event without the hidden fields.
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

// weight returns the view's memory in addition to its entry's.
func (v view) weight(e *entry) int64 {
	if v.event == e.event {
		return 0
	}
	return entryOverhead + int64(len(v.event.Data))
}

// Conceal sets the fields of payloads that the connection must not show. A route calls it once the hub knows the
// connection and before it is attached. Recheck sees later changes.
func (c *Conn) Conceal(hidden hidden.Hidden) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conceal(hidden)
}

// conceal changes the hidden fields. Frames on their way out stay as they are; the items that a poll has collected
// are filtered again, which may hide the old fields and the new ones. c.mu held.
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

// concealFrom is conceal with an answer about p from some time ago. It does nothing if the connection was renewed
// since, because the renewal asked again. c.mu must not be held.
func (c *Conn) concealFrom(p *tenants.Principal, hidden hidden.Hidden) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q := c.principal; q == p || q != nil && p != nil && q.SameAs(*p) && slices.Equal(q.Roles, p.Roles) {
		c.conceal(hidden)
	}
}
