package streamer

import (
	"context"
	"encoding/json"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/ws"
	"github.com/hookcast/hookcast/tenants"
)

// renewing allows one renewal of a connection at a time.
type renewing struct{ busy atomic.Bool }

func (r *renewing) begin() bool { return r.busy.CompareAndSwap(false, true) }
func (r *renewing) end()        { r.busy.Store(false) }

// renewSocket renews a connection by a token that came over it, and answers over it. A refusal leaves the connection
// as it was: it ends with its credential.
func (a *App) renewSocket(s *socketClient, raw string) {
	ctx, cancel := context.WithTimeout(a.lifetime, admitTime)
	defer cancel()
	p, err := a.renew(ctx, s.conn, raw)
	s.renewing.end() // before the answer, after which the client may send another
	if err != nil {
		s.conn.Tell(ws.RenewalRefused, refusalFrame(err).Data)
		return
	}
	data, _ := json.Marshal(struct {
		Expires time.Time `json:"expires_at"`
	}{p.Expires.UTC()})
	s.conn.Tell(ws.Renewed, data)
}

// renew continues a connection of this node under the token raw.
func (a *App) renew(ctx context.Context, c *hub.Conn, raw string) (p tenants.Principal, err error) {
	defer func() {
		if v := recover(); v != nil { // nobody else recovers in this goroutine
			a.log.Error("panic in a renewal", "panic", v, "stack", string(debug.Stack()))
			err = tenants.Errorf(tenants.Internal, "internal", "panic")
		}
	}()
	p, err = a.o.Tokens.Verify(ctx, raw)
	if err == nil {
		err = c.Renew(ctx, &p)
	}
	return p, err
}
