package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/envelope"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// channelItem is a channel in a list; channelView adds the members that need a read of its log.
type channelItem struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created_at"`
}

type channelView struct {
	channelItem
	First       *int64 `json:"first_seq"` // the oldest event within retention; nil if there is none
	Last        int64  `json:"last_seq"`
	Ended       bool   `json:"ended"`
	Subscribers int    `json:"subscribers"`
}

func (a *API) listChannels(c *call) (answer, error) {
	p, err := a.page(c)
	if err != nil {
		return answer{}, err
	}
	found, err := a.Log.Channels(c.ctx, c.who.Tenant, p.after, p.limit)
	if err != nil {
		return answer{}, err
	}
	views := make([]channelItem, 0, len(found))
	for _, ch := range found {
		views = append(views, channelItem{ch.Name, ch.Created.UTC()})
	}
	next := ""
	if len(found) == p.limit {
		next = found[len(found)-1].Name
	}
	return a.listOf(c, views, next), nil
}

// channel returns the channel in the path, or an error of kind NotFound if the name is invalid.
func (c *call) channel() (string, error) {
	name := c.r.PathValue("channel")
	if !tenants.ValidChannel(name) {
		return "", tenants.Errorf(tenants.NotFound, "channel_not_found", "there is no such channel")
	}
	return name, nil
}

func (a *API) getChannel(c *call) (answer, error) {
	name, err := c.channel()
	if err != nil {
		return answer{}, err
	}
	record, err := a.Log.Channel(c.ctx, c.who.Tenant, name)
	if err != nil {
		return answer{}, err
	}
	limits, err := a.Accounts.Limits(c.ctx, c.who.Tenant)
	if err != nil {
		return answer{}, err
	}
	oldest, err := a.Log.Read(c.ctx, c.who.Tenant, name, 0, 1, limits.Retention())
	if err != nil {
		return answer{}, err
	}
	end, err := a.Log.Read(c.ctx, c.who.Tenant, name, oldest.Tail, 1, limits.Retention())
	if err != nil {
		return answer{}, err
	}
	v := channelView{channelItem: channelItem{record.Name, record.Created.UTC()}, Last: end.Tail, Ended: end.Ended,
		Subscribers: a.Subscribers(c.ctx, c.who.Tenant, name)}
	if len(oldest.Events) > 0 {
		v.First = &oldest.Events[0].Seq
	}
	return answer{http.StatusOK, v}, nil
}

func (a *API) purgeChannel(c *call) (answer, error) {
	name, err := c.channel()
	if err != nil {
		return answer{}, err
	}
	_, err = a.Log.Purge(c.ctx, c.who.Tenant, name)
	// Nodes have events in memory, and an incomplete purge has deleted some of them, too.
	if told := a.Accounts.Tell(c.ctx, c.who.Tenant); err == nil {
		err = told
	}
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// listEvents reads a channel's history. A channel without events has an empty history, as it has for subscribers.
// next_cursor is the position after the last event, which streams and polls accept, too; it is null if there are no
// more events now.
func (a *API) listEvents(c *call) (answer, error) {
	name, err := c.channel()
	if err != nil {
		return answer{}, err
	}
	limit, err := limitOf(c.query)
	if err != nil {
		return answer{}, err
	}
	after, err := afterOf(c.query["after"], name)
	if err != nil {
		return answer{}, err
	}
	retention, hidden, err := a.shown(c)
	if err != nil {
		return answer{}, err
	}
	page, err := a.Log.Read(c.ctx, c.who.Tenant, name, after, limit, retention)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewHistory(page, after, hidden)}, nil
}

// shown returns which stored events the caller can see and which of their fields are hidden.
func (a *API) shown(c *call) (retention tenants.Retention, hidden hidden.Hidden, err error) {
	limits, err := a.Accounts.Limits(c.ctx, c.who.Tenant)
	if err != nil {
		return retention, hidden, err
	}
	hidden, err = a.Gate.Hidden(c.ctx, c.who)
	return limits.Retention(), hidden, err
}

// afterOf reads ?after=, a position in one channel, 0 if it is absent.
func afterOf(values []string, channel string) (int64, error) {
	switch len(values) {
	case 0:
		return 0, nil
	case 1:
		if at, err := tenants.ParseCursor(values[0], []string{channel}); err == nil {
			return at[0], nil
		}
	}
	return 0, invalidCursor("after must be an event number or a cursor of this channel, given once")
}

// viewHistory builds the body of a page from encoded events, so that their data is not encoded again.
func viewHistory(page eventlog.Page, after int64, hidden hidden.Hidden) json.RawMessage {
	b := []byte(`{"data":[`)
	for i := range page.Events {
		if i > 0 {
			b = append(b, ',')
		}
		b = envelope.Append(b, *hidden.View(&page.Events[i]))
	}
	b = append(b, `],"next_cursor":`...)
	if next := page.Cursor(after); next < page.Tail {
		b = append(b, '"')
		b = strconv.AppendInt(b, next, 10)
		b = append(b, '"')
	} else {
		b = append(b, "null"...)
	}
	if g := page.Gap; g != nil {
		b = append(b, `,"gap":`...)
		b = append(b, encode(gapView{g.From, g.To, g.Reset})...)
	}
	return append(b, '}')
}

// gapView names the events that a reader can no longer get.
type gapView struct {
	From  int64 `json:"from"`
	To    int64 `json:"to"`
	Reset bool  `json:"reset,omitempty"` // the position was after the channel's end
}
