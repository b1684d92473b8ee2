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

// take says that the connection has left the server: false where the place has been given up meanwhile.
func (p *place) take() bool {
	return p.slot.Confirm() && p.state.CompareAndSwap(placeReserved, placeTaken)
}

// leave is the Subscription's Release.
func (p *place) leave() {
	if p.state.Swap(placeLeft) == placeTaken {
		p.listener.released()
	}
	p.slot.Release()
}

// handOver takes the connection out of fasthttp's hands and into the hub's, so that it costs no goroutine and no buffer. fasthttp runs
// the hijack handler only when what it owes for earlier requests of the connection could be written; where it could not, it
// closes the connection, and conn.abandon gives the place back. Should that fail too, slot and subscription lapse after 5 s.
//
// Bytes that the client sent behind its request stay in fasthttp's reader and are dropped with it: nothing is read from a stream. A client that
// may speak is to wait for the answer first (RFC 6455 section 4.1); one that does not is hung up on, since what follows could not be understood.
func (a *App) handOver(ctx *fasthttp.RequestCtx, opened *hub.Conn, p *place) {
	c := ctx.Conn().(*conn)
	c.abandon = opened.Abandon
	a.hijack(ctx, func(read net.Conn) {
		early := opened.Hears() && pending(c, read)
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

// pending tells whether fasthttp's reader, which read is, holds bytes behind the request. c is the connection that it reads from.
func pending(c *conn, read net.Conn) bool {
	c.SetReadDeadline(time.Unix(1, 0)) // what is in the reader comes all the same, and nothing from the socket
	defer c.SetReadDeadline(time.Time{})
	var b [1]byte
	n, _ := read.Read(b[:])
	return n > 0
}

// hijack has then run in place of an answer, in a goroutine of fasthttp's, where a panic would end the process. What then is given reads what the
// client sent behind its request first.
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
