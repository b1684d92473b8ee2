package api

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/trace"
)

// subjectConnectionView is a connection of the subject, open or recorded, and its verdict on the event.
type subjectConnectionView struct {
	ID        string   `json:"id"`
	Transport string   `json:"transport"`
	Opened    *instant `json:"opened_at"`
	Ended     *instant `json:"ended_at"`
	Reason    *string  `json:"ended"`
	From      *int64   `json:"from"`     // the number after which it began
	Position  *int64   `json:"position"` // the number that it received last
	Verdict   string   `json:"verdict"`

	node string
}

// subjectConnection is a connection of the subject to the channel. Unknown positions are -1.
type subjectConnection struct {
	id, transport, node string
	opened, ended       time.Time
	began               bool // its beginning was recorded
	from, at            int64
	why                 string
}

// verdict returns the connection's verdict on the event with number seq, which was appended at the given time.
func (x subjectConnection) verdict(seq int64, appended time.Time) string {
	later := x.opened.After(appended) && x.from < 0
	switch {
	case x.from >= seq, later && x.began: // without a cursor, and ended before its position was known
		return connectedLater
	case later && x.at >= seq:
		return notRecorded
	case x.at >= seq:
		return written
	case x.ended.IsZero():
		return behind
	case x.ended.Before(appended):
		return notConnected
	}
	return cut
}

const (
	connectionsShown = 20
	connectionsRead  = 10_000
	connectionsPage  = 900
)

// addConnections adds the subject's connections, open and recorded, with their verdicts.
func (a *API) addConnections(c *call, v *whyView, subject, channel string, seq int64, e *tenants.Event) error {
	now := time.Now()
	tenant, err := a.Accounts.Get(c.ctx, c.who.Tenant)
	if err != nil {
		return err
	}
	// If the event is no longer stored, a connection that ended since this time may have received it.
	appended := now.Add(-24 * time.Hour)
	var hops []trace.Step
	if e != nil {
		appended = e.Time
		if hops, err = a.traces.Steps(c.ctx, c.who.Tenant, e.ID); err != nil {
			return err
		}
		for _, h := range hops {
			if h.Name == trace.StepAppended {
				appended = h.At.Add(h.Took)
			}
		}
		v.Recorded = e.Trace != nil || tenant.Tracing.On(e.Time) && !e.Time.Before(tenant.Tracing.Since)
	}
	found, incomplete, err := a.subjectConnections(c.ctx, c.who.Tenant, subject, channel, now)
	if err != nil {
		return err
	}
	v.Incomplete = incomplete
	slices.SortFunc(found, func(a, b subjectConnection) int {
		return cmp.Or(b.opened.Compare(a.opened), strings.Compare(a.id, b.id))
	})
	for _, x := range found {
		w := subjectConnectionView{ID: x.id, Transport: x.transport, Opened: instantOf(x.opened),
			Ended: instantOf(x.ended), Reason: nullable(x.why), From: number(x.from), Position: number(x.at),
			Verdict: x.verdict(seq, appended), node: x.node}
		v.Connections = append(v.Connections, w)
	}
	rank := []string{written, behind, cut, notRecorded, connectedLater, notConnected}
	slices.SortStableFunc(v.Connections, func(a, b subjectConnectionView) int {
		return slices.Index(rank, a.Verdict) - slices.Index(rank, b.Verdict)
	})
	if len(v.Connections) > 0 && v.Connections[0].Verdict == written {
		v.WrittenAt = writtenAt(hops, v.Connections[0].node)
	}
	v.Connections = v.Connections[:min(len(v.Connections), connectionsShown)]
	return nil
}

// writtenAt returns when the node first wrote the event. The node of an open connection is not known; then it is the
// first of all nodes.
func writtenAt(hops []trace.Step, node string) *instant {
	for _, h := range hops {
		if h.Name == trace.StepWritten && h.Connections > 0 && (node == "" || node == h.Node) {
			return instantOf(h.Begin())
		}
	}
	return nil
}

func number(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

// connectionsByID are connections of a subject to a channel.
type connectionsByID map[string]*subjectConnection

// get returns the connection with the id, which it adds if it is not there.
func (m connectionsByID) get(id string) *subjectConnection {
	if m[id] == nil {
		m[id] = &subjectConnection{id: id, from: -1, at: -1}
	}
	return m[id]
}

// subjectConnections returns the subject's connections to the channel, open and recorded. It is incomplete if a node
// did not answer or not all records were read.
func (a *API) subjectConnections(
	ctx context.Context, t tenants.TenantID, subject, channel string, now time.Time,
) (list []subjectConnection, incomplete bool, err error) {
	found := make(connectionsByID)
	sessions, whole, err := a.traces.Sessions(ctx, t, subject, now.Add(-24*time.Hour))
	if err != nil {
		return nil, false, err
	}
	found.addRecorded(sessions, channel)
	open, incomplete, err := a.addOpen(ctx, found, t, subject, channel)
	if err != nil {
		return nil, false, err
	}
	incomplete = incomplete || !whole
	for id, x := range found {
		if x.ended.IsZero() && !open[id] { // its end was not recorded, or its node did not answer
			incomplete = true
			continue
		}
		list = append(list, *x)
	}
	return list, incomplete, nil
}

// addRecorded adds the recorded beginnings and ends of connections to the channel.
func (m connectionsByID) addRecorded(sessions []trace.Session, channel string) {
	for _, s := range sessions {
		i := slices.Index(s.Channels, channel)
		if i < 0 || i >= len(s.Positions) {
			continue
		}
		x := m.get(s.Connection)
		x.transport, x.node, x.opened = s.Transport, s.Node, s.Opened
		if s.Ended == "" {
			x.began, x.from = true, s.Positions[i]
		} else {
			x.ended, x.why, x.at = s.At, s.Ended, s.Positions[i]
		}
	}
}

// addOpen adds the subject's open connections to the channel and returns their ids. It reads at most connectionsRead
// connections of the tenant.
func (a *API) addOpen(
	ctx context.Context, found connectionsByID, t tenants.TenantID, subject, channel string,
) (open map[string]bool, incomplete bool, err error) {
	open = make(map[string]bool)
	for after, read := "", 0; ; {
		page, err := a.Connections.List(ctx, t, after, connectionsPage)
		if err != nil {
			return nil, false, err
		}
		incomplete = incomplete || page.Missing > 0
		for _, conn := range page.Connections {
			i := slices.Index(conn.Channels, channel)
			if i < 0 || conn.Principal == nil || conn.Principal.Subject != subject {
				continue
			}
			open[conn.ID] = true
			x := found.get(conn.ID)
			if x.transport, x.opened = conn.Transport, conn.Since; !x.ended.IsZero() {
				continue // it has ended in the meantime
			}
			if positions, err := tenants.ParseCursor(conn.Cursor, conn.Channels); err == nil && conn.Cursor != "" {
				x.at = positions[i]
			}
		}
		read += len(page.Connections)
		if after = page.Next; after == "" || read >= connectionsRead {
			return open, incomplete || after != "", nil
		}
	}
}
