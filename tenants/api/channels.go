package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/envelope"
)

// channelItem is a channel in a list; channelView has what costs a look into its log, too.
type channelItem struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created_at"`
}

type channelView struct {
	channelItem
	First       *int64 `json:"first_seq"` // the oldest event that retention shows; nil: none is left
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

// channel is the path's channel. What is no channel's name names nothing.
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
	if told := a.Accounts.Tell(c.ctx, c.who.Tenant); err == nil { // nodes have events in memory; some are purged even where Purge stopped half-way
		err = told
	}
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// listEvents reads a channel's history. A channel to which nothing was ever appended has an empty one, as it has for
// subscribers. next_cursor is the position behind the last event, the same that streams and polls take, and null where
// there is nothing more for now.
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

// shown says what the caller is shown of stored events: how far back, and which fields not.
func (a *API) shown(c *call) (retention tenants.Retention, hidden tenants.Hidden, err error) {
	limits, err := a.Accounts.Limits(c.ctx, c.who.Tenant)
	if err != nil {
		return retention, hidden, err
	}
	hidden, err = a.Gate.Hidden(c.ctx, c.who)
	return limits.Retention(), hidden, err
}

// afterOf reads ?after=, a position in one channel.
func afterOf(values []string, channel string) (int64, error) {
	switch len(values) {
	case 0:
		return 0, nil
	case 1:
		if at, err := tenants.ParseCursor(values[0], []string{channel}); err == nil {
			return at[0], nil
		}
	}
	return 0, invalidCursor("after must be the number of an event of this channel, or a cursor of it, given once.")
}

// viewHistory writes a page by hand: an event's data goes out as the envelope has it, not encoded anew.
func viewHistory(page tenants.Page, after int64, hidden tenants.Hidden) json.RawMessage {
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

// gapView tells a reader what it cannot have any more.
type gapView struct {
	From  int64 `json:"from"`
	To    int64 `json:"to"`
	Reset bool  `json:"reset,omitempty"` // the position was beyond the channel's end
}
