package streamer

import (
	"context"
	"strings"
	"sync"

	"github.com/hookcast/hookcast/tenants"
)

// The access log names the path of a request and never its credential: no query (?token=), no source token (/in/…),
// and no path segment that looks like a credential sent by mistake.

const loggedPathMax = 256

// observed holds the tenant that a mounted handler found for its request. It outlives the request, because a handler
// may keep its context.
type observed struct {
	mu     sync.Mutex
	tenant tenants.TenantID
}

type observedKey struct{}

// Observe notes the tenant of the request that ctx belongs to, for the access log. Mounted handlers call it; for
// streams the App knows the tenant.
func Observe(ctx context.Context, t tenants.TenantID) {
	if o, ok := ctx.Value(observedKey{}).(*observed); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.tenant = t
	}
}

func (o *observed) get() tenants.TenantID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tenant
}

// loggedPath returns the path of a request target as the log may show it.
func loggedPath(target []byte) string {
	path := string(target[:min(len(target), loggedPathMax)])
	if i := strings.IndexFunc(path, func(r rune) bool { return !isPathByte(r) }); i >= 0 {
		path = path[:i]
		if target[i] != '?' {
			path += "…"
		}
	}
	if i := strings.Index(path, "/in/"); i >= 0 {
		return path[:i] + "/in/…"
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if looksSecret(p) {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, "/")
}

// isPathByte excludes '%' too: any character may follow it in encoded form.
func isPathByte(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/-._~", r)
}

func looksSecret(s string) bool {
	return strings.Contains(s, "hk_") || strings.Contains(s, "eyJ") || strings.HasPrefix(s, "whsec_") ||
		strings.HasPrefix(s, "rpt_")
}

func loggedMethod(m []byte) string {
	switch s := string(m); s {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return s
	}
	return "-"
}
