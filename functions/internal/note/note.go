// Package note lets a request's handler add attributes to the request's log line.
package note

import (
	"context"
	"log/slog"
	"sync"
)

type key struct{}

// Notes are the attributes added for one request.
type Notes struct {
	mu    sync.Mutex
	attrs []slog.Attr
}

// With returns a context for Add and the Notes that it adds to.
func With(ctx context.Context) (context.Context, *Notes) {
	n := new(Notes)
	return context.WithValue(ctx, key{}, n), n
}

// Add adds an attribute to the Notes of ctx, if it has any. value must not be a secret.
func Add(ctx context.Context, name, value string) {
	n, ok := ctx.Value(key{}).(*Notes)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.attrs = append(n.attrs, slog.String(name, value))
}

// Attrs returns the attributes.
func (n *Notes) Attrs() []slog.Attr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.attrs
}
