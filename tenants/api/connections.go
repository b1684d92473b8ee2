package api

import (
	"context"
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
)

// Connections are the live connections of tenants over all nodes: *tenants.Connections.
type Connections interface {
	List(ctx context.Context, t tenants.TenantID, after string, limit int) (node.ConnectionList, error)
	Count(ctx context.Context, t tenants.TenantID) (int, error)
	Close(ctx context.Context, t tenants.TenantID, id string) error
	Renew(ctx context.Context, t tenants.TenantID, id string, p tenants.Principal) error
}

// connectionView is a live connection. Members that do not apply or are not known are null: a connection opened with
// an API key has no subject, and one that has not received a frame has no cursor.
type connectionView struct {
	ID        string     `json:"id"`
	Channel   string     `json:"channel"` // the first of Channels
	Channels  []string   `json:"channels"`
	Subject   *string    `json:"subject"`
	KeyID     *string    `json:"key_id"`
	Transport string     `json:"transport"`
	IP        *string    `json:"ip"`
	Since     time.Time  `json:"since"`
	Expires   *time.Time `json:"expires_at"`
	Cursor    *string    `json:"cursor"`
	Backlog   int64      `json:"backlog"`
	Sent      int64      `json:"sent"`
}

func viewConnection(c tenants.Connection) connectionView {
	v := connectionView{ID: c.ID, Channels: c.Channels, Transport: c.Transport, IP: nullable(c.Remote),
		Since: c.Since.UTC(), Cursor: nullable(c.Cursor),
		Backlog: max(0, c.Backlog), Sent: c.Sent}
	if len(c.Channels) > 0 {
		v.Channel = c.Channels[0]
	}
	if p := c.Principal; p != nil {
		v.Subject, v.KeyID, v.Expires = nullable(p.Subject), nullable(p.KeyID), optionalTime(p.Expires)
	}
	return v
}

// connectionList is a list of connections. It is incomplete if a node did not answer.
type connectionList struct {
	list
	Total      int  `json:"total"`
	Incomplete bool `json:"incomplete"`
}

func (a *API) listConnections(c *call) (answer, error) {
	p, err := a.page(c)
	if err != nil {
		return answer{}, err
	}
	found, err := a.Connections.List(c.ctx, c.who.Tenant, p.after, p.limit)
	if err != nil {
		return answer{}, err
	}
	views := make([]connectionView, 0, len(found.Connections))
	for _, conn := range found.Connections {
		views = append(views, viewConnection(conn))
	}
	page := a.listOf(c, views, found.Next)
	page.body = connectionList{page.body.(list), found.Total, found.Missing > 0}
	return page, nil
}

func (a *API) closeConnection(c *call) (answer, error) {
	return deleteByID(c, tenants.PrefixConnection, a.Connections.Close)
}

// renewedView says when a renewed connection expires.
type renewedView struct {
	ID      string     `json:"id"`
	Expires *time.Time `json:"expires_at"`
}

// renewConnection does not ask the Gate: only the subject that opened a connection may renew it, which its node checks.
func (a *API) renewConnection(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixConnection)
	if err != nil {
		return answer{}, err
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	if err := a.Connections.Renew(c.ctx, c.who.Tenant, id, c.who); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, renewedView{id, optionalTime(c.who.Expires)}}, nil
}
