// Package note lets whoever serves a request add to the one line that the log has of it.
package note

import (
	"context"
	"log/slog"
	"sync"
)

type key struct{}

// Notes are what was noted of one request.
type Notes struct {
	mu    sync.Mutex
	attrs []slog.Attr
}

// With returns a context under which Add notes into the Notes.
func With(ctx context.Context) (context.Context, *Notes) {
	n := new(Notes)
	return context.WithValue(ctx, key{}, n), n
}

// Add notes something of the request that ctx belongs to, where somebody keeps notes of it. Never a secret.
func Add(ctx context.Context, name, value string) {
	n, ok := ctx.Value(key{}).(*Notes)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.attrs = append(n.attrs, slog.String(name, value))
}

// Attrs returns what was noted.
func (n *Notes) Attrs() []slog.Attr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.attrs
}
