package hub

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// spoiltHub plants defects into a node's change of name.
type spoiltHub struct {
	*Hub
	h        *simNodes
	interest *node.Interest
}

func (s spoiltHub) Reregister(ctx context.Context, node string) error {
	switch {
	case s.h.deaf:
		s.Hub.node.Store(&node)
		return nil
	case s.h.blind:
		s.Hub.node.Store(&node)
		for _, t := range s.stride(0, 1) {
			if err := s.interest.Register(ctx, node, time.Now().Add(time.Hour), t.key.tenant, t.key.name,
				0); err != nil {
				return err
			}
		}
		return nil
	}
	return s.Hub.Reregister(ctx, node)
}

// lateMaker plants inboxes that exist only some time after they were made.
type lateMaker struct {
	*tenantstest.ProcessInboxes
	after time.Duration
}

func (m lateMaker) Create(ctx context.Context, node string) error {
	if m.after == 0 {
		return m.ProcessInboxes.Create(ctx, node)
	}
	time.AfterFunc(m.after, func() { m.ProcessInboxes.Create(context.Background(), node) })
	return nil
}

// carelessInbox plants deleted inboxes that look empty.
type carelessInbox struct{ tenants.Inbox }

func (i carelessInbox) Receive(ctx context.Context) ([]tenants.InboxMessage, func(context.Context) error, error) {
	ns, done, err := i.Inbox.Receive(ctx)
	if err != nil && tenants.KindOf(err) == tenants.NotFound {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		return nil, nil, nil
	}
	return ns, done, err
}

// staleInterest plants appenders that read interest some time before they commit.
type staleInterest struct {
	tenants.Table
	mu   sync.Mutex
	seen map[tenants.Kind][]tenants.Row
}

func (s *staleInterest) Query(ctx context.Context, r tenants.Range) ([]tenants.Row, error) {
	rows, err := s.Table.Query(ctx, r)
	if err != nil || len(r.Kind) < 9 || r.Kind[:9] != "interest/" {
		return rows, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.seen[r.Kind]
	s.seen[r.Kind] = rows
	return before, nil
}
