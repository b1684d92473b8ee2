package streamer

import (
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/valyala/fasthttp"
)

// place is a connection's hold on the tenant's slot and on the listener's count, for as long as the connection lives.
type place struct {
	slot     *quota.Slot
	listener *listener
	state    atomic.Int32
}

const (
	placeReserved int32 = iota // the server has the connection
	placeTaken                 // the hub has it, and the listener counts it as attached
	placeLeft
)

// take notes that the connection has left the server. It returns false if the place was given up meanwhile.
func (p *place) take() bool {
	return p.slot.Confirm() && p.state.CompareAndSwap(placeReserved, placeTaken)
}

// leave gives the place back. It may be called more than once; it is the Subscription's Release.
func (p *place) leave() {
	if p.state.Swap(placeLeft) == placeTaken {
		p.listener.released()
	}
	p.slot.Release()
}

// handOver moves the connection from fasthttp to the hub, so that it costs no goroutine and no buffer. fasthttp runs
// the hijack handler only if it could write its responses to earlier requests of the connection; otherwise it closes
// the connection, and conn.abandon gives the place back. If that fails too, slot and subscription lapse after 5 s.
//
// Bytes that the client sent after its request stay in fasthttp's reader and are dropped with it: streams read
// nothing. A client that may speak must wait for the answer first (RFC 6455 section 4.1); if it does not, the
// connection is closed, because the rest could not be understood.
func (a *App) handOver(ctx *fasthttp.RequestCtx, opened *hub.Conn, p *place) {
	c := ctx.Conn().(*conn)
	c.abandon = opened.Abandon
	a.hijack(ctx, func(read net.Conn) {
		early := opened.TakesInput() && pending(c, read)
		raw := c.detach()
		if raw == nil {
			opened.Abandon()
			return
		}
		if early || !p.take() {
			p.listener.released()
			raw.Close()
			opened.Abandon()
			return
		}
		a.handedOver.Add(1)
		opened.Attach(raw)
	})
}

// pending reports whether read, fasthttp's reader of c, holds bytes after the request.
func pending(c *conn, read net.Conn) bool {
	c.SetReadDeadline(time.Unix(1, 0)) // the reader still returns its bytes, and waits for none from the socket
	defer c.SetReadDeadline(time.Time{})
	var b [1]byte
	n, _ := read.Read(b[:])
	return n > 0
}

// hijack runs then in place of a response, in a goroutine of fasthttp, where a panic would end the process. The
// connection passed to then first reads the bytes that the client sent after its request.
func (a *App) hijack(ctx *fasthttp.RequestCtx, then func(net.Conn)) {
	c := ctx.Conn()
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(read net.Conn) {
		defer func() {
			if v := recover(); v != nil {
				a.log.Error("panic while a connection was handed over", "panic", v, "stack", string(debug.Stack()))
				c.Close()
			}
		}()
		then(read)
	})
}
