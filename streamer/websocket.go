package streamer

import (
	"encoding/json"
	"net"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/streamer/ws"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/problem"
	"github.com/valyala/fasthttp"
)

// websocket serves GET /v1/ws. The handshake is ours and not a library's, since the connection goes to the hub as a stream does and keeps no
// goroutine; package ws has the protocol.
func (a *App) websocket(c *fiber.Ctx) error {
	ctx := c.Context()
	key, err := handshake(ctx)
	if err != nil {
		return err
	}
	q, _, err := askOf(ctx)
	if err == nil {
		err = q.checkOriginal(false)
	}
	if err != nil {
		return a.refuseSocket(ctx, key, err)
	}
	q.events, q.lines = false, false // Accept is about a body
	s := &speaker{app: a}
	opened, place, err := a.subscribe(ctx, q, func(sub *hub.Subscription) {
		sub.Transport, sub.Format, sub.Head, sub.Ears = "websocket", ws.Format{CloudEvents: q.cloudEvents}, socketHead(ctx, key), s
	})
	if err != nil {
		return a.refuseSocket(ctx, key, err)
	}
	s.conn = opened
	ctx.SetStatusCode(http.StatusSwitchingProtocols) // for the access log: the hub writes the answer
	a.handOver(ctx, opened, place)
	return nil
}

// handshake checks a request by RFC 6455 section 4.2.1 and returns its key.
func handshake(ctx *fasthttp.RequestCtx) (key string, err error) {
	h := &ctx.Request.Header
	if !h.IsHTTP11() || !ws.Lists(h.PeekAll(fasthttp.HeaderUpgrade), "websocket") || !ws.Lists(h.PeekAll(fasthttp.HeaderConnection), "upgrade") {
		return "", upgradeRequired(ctx, "This path speaks WebSocket: the request must ask for the upgrade.")
	}
	if versions := h.PeekAll("Sec-WebSocket-Version"); len(versions) != 1 || string(versions[0]) != ws.Version {
		return "", upgradeRequired(ctx, "Version "+ws.Version+" of WebSocket is the one that is spoken here.")
	}
	keys := h.PeekAll("Sec-WebSocket-Key")
	if len(keys) != 1 || !ws.ValidKey(string(keys[0])) {
		return "", malformed("invalid_websocket_key", "Sec-WebSocket-Key must be there once, and be 16 bytes in base64.")
	}
	return string(keys[0]), nil
}

func upgradeRequired(ctx *fasthttp.RequestCtx, detail string) error {
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderConnection, "Upgrade")
	h.Set(fasthttp.HeaderUpgrade, "websocket")
	h.Set("Sec-WebSocket-Version", ws.Version)
	return &tenants.Error{Kind: tenants.UpgradeRequired, Detail: detail}
}

// socketHead is the answer that switches protocols.
func socketHead(ctx *fasthttp.RequestCtx, key string) []byte {
	return responseHead(ctx, http.StatusSwitchingProtocols, func(h *fasthttp.ResponseHeader) {
		h.Set(fasthttp.HeaderUpgrade, "websocket")
		h.Set(fasthttp.HeaderConnection, "Upgrade")
		h.Set("Sec-WebSocket-Accept", ws.Accept(key))
	})
}

// refuseSocket answers a handshake that is well-formed and leads to no stream. A page learns nothing of an answer but that there was none, so
// that to a browser, which names its origin, the refusal comes behind the handshake: as a message and a close frame, like everything
// that ends a stream. Everyone else gets the problem as it is, and so does a page of an origin that is not admitted: it may read neither.
func (a *App) refuseSocket(ctx *fasthttp.RequestCtx, key string, err error) error {
	page := len(ctx.Request.Header.Peek(fasthttp.HeaderOrigin)) > 0
	switch {
	case err == errStopped && !page:
		return stopped(ctx)
	case !page || err == errOrigin:
		return err
	}
	f := sse.Frame{Name: sse.Ended, Data: []byte(`{}`), ID: sse.Stop}
	if err != errStopped {
		problem.Log(a.log, requestID(ctx), err)
		f = refusalFrame(err)
	}
	var format ws.Format
	b := format.AppendClose(format.AppendControl(socketHead(ctx, key), f.Name, f.Data, f.ID, f.Retry), f.Name)
	ctx.SetStatusCode(http.StatusSwitchingProtocols)
	c := ctx.Conn().(*conn)
	a.hijack(ctx, func(net.Conn) {
		c.SetWriteDeadline(time.Now().Add(lingerTime))
		c.Write(b)
		c.linger = true // the client's own close frame is on its way
		c.Close()
	})
	return nil
}

// speaker is the client's side of a WebSocket: the hub's ears on it.
type speaker struct {
	app      *App
	conn     *hub.Conn
	in       ws.Receiver
	renewing renewing
}

// Hear answers pings and the close frame, and has a renewal looked into. Anything else ends the connection.
func (s *speaker) Hear(b []byte) hub.Reply {
	var out []byte
	err := s.in.Take(b, func(m ws.Message) error {
		switch m.Op {
		case ws.Ping:
			out = ws.AppendFrame(out[:0], ws.Pong, m.Data) // of several pings the last is answered: RFC 6455 section 5.5.3
		case ws.Close:
			return closed(m.Code)
		case ws.Text:
			return s.renew(m.Data)
		}
		return nil
	})
	switch e := err.(type) {
	case nil:
		return hub.Reply{Bytes: out}
	case closed:
		if e == closed(1005) {
			return hub.Reply{Bytes: ws.AppendFrame(nil, ws.Close, nil), Last: true}
		}
		return hub.Reply{Bytes: ws.AppendClose(nil, ws.Code(e), ""), Last: true}
	case *ws.Error:
		return hub.Reply{Bytes: ws.AppendClose(nil, e.Code, e.Reason), Last: true, Rude: true}
	}
	return hub.Reply{Bytes: ws.AppendClose(nil, ws.Policy, ""), Last: true, Rude: true}
}

// closed is the code of a client's close frame, which is answered with the same.
type closed ws.Code

func (closed) Error() string { return "the client has closed" }

// renew takes a client's text: {"renew":"<token>"} is the one that there is.
func (s *speaker) renew(text []byte) error {
	var m map[string]json.RawMessage
	var raw string
	if json.Unmarshal(text, &m) != nil || len(m) != 1 || json.Unmarshal(m["renew"], &raw) != nil || raw == "" {
		return &ws.Error{Code: ws.Policy, Reason: "the only text that is taken is a renewal"}
	}
	if !s.renewing.begin() {
		return &ws.Error{Code: ws.Policy, Reason: "a renewal is under way"}
	}
	go s.app.renewSocket(s, raw)
	return nil
}
