package streamer

import (
	"context"
	"strings"
	"sync"

	"github.com/hookcast/hookcast/tenants"
)

// The access log names what was asked for and never how the caller proved itself: no query (?token=), no source token (/in/…), and
// nothing in a path that looks like a credential put there by mistake.

const loggedPathMax = 256

// observed is whose request a mounted handler found it to be. It outlives the request, as whatever a handler may keep does.
type observed struct {
	mu     sync.Mutex
	tenant tenants.TenantID
}

type observedKey struct{}

// Observe notes whose request it is that ctx belongs to, for its line in the access log. It is for the handlers that are mounted: the App knows
// by itself whose a stream is.
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

// loggedPath is the path of a request target as the log may show it.
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

// isPathByte leaves out '%' as well: behind it anything may be written.
func isPathByte(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/-._~", r)
}

func looksSecret(s string) bool {
	return strings.Contains(s, "hk_") || strings.Contains(s, "eyJ") || strings.HasPrefix(s, "whsec_") || strings.HasPrefix(s, "rpt_")
}

func loggedMethod(m []byte) string {
	switch s := string(m); s {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return s
	}
	return "-"
}
