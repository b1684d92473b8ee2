//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
)

// hubOnly is the hub alone, with a front before it and an empty log behind it.
type hubOnly struct {
	hub  *hub.Hub
	mu   sync.Mutex
	last map[string]int64
}

const benchTenant = tenants.TenantID("ten_bench")

func newHubOnly() *hubOnly {
	h := &hubOnly{last: make(map[string]int64)}
	h.hub = hub.New(hub.Options{Log: h, Interest: h, Node: "nod_bench"})
	return h
}

func (h *hubOnly) subscribe(channel int, conn *net.TCPConn) {
	c, err := h.hub.Open(hub.Subscription{Tenant: benchTenant, Channels: []string{channelName(channel)},
		Format: sse.Data, Head: []byte(streamHead)})
	if err != nil {
		conn.Close()
		return
	}
	c.Attach(conn)
}

func (h *hubOnly) publish(channel int, data []byte) {
	name := channelName(channel)
	h.mu.Lock()
	h.last[name]++
	e := tenants.Event{Tenant: benchTenant, Channel: name, Seq: h.last[name], Type: "bench", Time: time.Now(),
		Data: data, ContentType: "application/json"}
	h.hub.Deliver(tenants.InboxMessage{Tenant: benchTenant, Channel: name, Events: []tenants.Event{e}})
	h.mu.Unlock()
}

func channelName(n int) string { return fmt.Sprintf("c%d", n) }

// Tail, Read, Register and Drop implement the hub's Log and Interest.
func (h *hubOnly) Tail(_ context.Context, _ tenants.TenantID, channel string) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last[channel], nil
}

func (h *hubOnly) Read(_ context.Context, _ tenants.TenantID, _ string, after int64,
	_ int, _ tenants.Retention) (eventlog.Page, error) {
	return eventlog.Page{Tail: after}, nil
}

func (h *hubOnly) Register(context.Context, string, time.Time, tenants.TenantID, string, int) error {
	return nil
}

func (h *hubOnly) Drop(context.Context, string, tenants.TenantID, string) error { return nil }
