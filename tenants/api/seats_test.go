package api_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
)

// seats are the connections of the only node. It serves them as a hub does, without sockets.
type seats struct {
	mu   sync.Mutex
	list []tenants.Connection
}

// serveConnections starts the node and returns the port to its connections.
func (w *world) serveConnections() *node.Connections {
	w.t.Helper()
	w.hub = &seats{}
	n := node.New(node.Options{Table: w.table, Alone: true})
	w.must(n.Join(w.t.Context()))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Run(ctx, w.hub)
	}()
	w.t.Cleanup(func() {
		stop()
		<-done
	})
	return node.NewConnections(w.table, n)
}

// open opens a connection of a subject.
func (s *seats) open(of tenant, subject string, channels ...string) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := tenants.TenantID(of.id)
	c := tenants.Connection{
		ID: tenants.NewID(tenants.PrefixConnection), Channels: channels,
		Principal: &tenants.Principal{Tenant: t, Subject: subject}, Transport: "sse",
		Remote: "192.0.2.1", Since: time.Now(), Cursor: "7", Backlog: 5, Sent: 100,
	}
	s.list = append(s.list, c)
	return c.ID
}

func (s *seats) Connections(t tenants.TenantID) (list []tenants.Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.list {
		if c.Principal.Tenant == t {
			list = append(list, c)
		}
	}
	return list
}

func (s *seats) find(t tenants.TenantID, id string) int {
	return slices.IndexFunc(s.list, func(c tenants.Connection) bool { return c.ID == id && c.Principal.Tenant == t })
}

func (s *seats) Disconnect(t tenants.TenantID, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.find(t, id)
	if at >= 0 {
		s.list = slices.Delete(s.list, at, at+1)
	}
	return at >= 0
}

func (s *seats) Renew(_ context.Context, t tenants.TenantID, id string, p *tenants.Principal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.find(t, id)
	switch {
	case at < 0:
		return tenants.NoConnection()
	case !p.SameAs(*s.list[at].Principal):
		return tenants.Errorf(tenants.Forbidden, "connection_of_another", "it is somebody else's")
	}
	s.list[at].Principal = p
	return nil
}

func (*seats) Deliver(...tenants.InboxMessage)            {}
func (*seats) Reregister(context.Context, string) error   { return nil }
func (*seats) Withdraw(context.Context) error             { return nil }
func (*seats) Tenants() []tenants.TenantID                { return nil }
func (*seats) Shed(tenants.TenantID, string, string, int) {}
