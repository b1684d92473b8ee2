package streamer

import (
	"encoding/json"
	"errors"
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

// websocket serves GET /v1/ws. The handshake is our own rather than a library's, because the connection goes to the
// hub and keeps no goroutine; package ws has the protocol.
func (a *App) websocket(c *fiber.Ctx) error {
	ctx := c.Context()
	key, err := handshake(ctx)
	if err != nil {
		return err
	}
	q, _, err := parseRequest(ctx)
	if err == nil {
		err = q.checkOriginal(false)
	}
	if err != nil {
		return a.refuseSocket(ctx, key, err)
	}
	q.events, q.lines = false, false // Accept describes a body, and there is none
	s := &socketClient{app: a}
	opened, place, err := a.subscribe(ctx, q, func(sub *hub.Subscription) {
		sub.Transport, sub.Format = "websocket", ws.Format{CloudEvents: q.cloudEvents}
		sub.Head, sub.Input = socketHead(ctx, key), s
	})
	if err != nil {
		return a.refuseSocket(ctx, key, err)
	}
	s.conn = opened
	ctx.SetStatusCode(http.StatusSwitchingProtocols) // for the access log: the hub writes the response
	a.handOver(ctx, opened, place)
	return nil
}

// handshake checks a request by RFC 6455 section 4.2.1 and returns its key.
func handshake(ctx *fasthttp.RequestCtx) (key string, err error) {
	h := &ctx.Request.Header
	if !h.IsHTTP11() || !ws.Lists(h.PeekAll(fasthttp.HeaderUpgrade), "websocket") ||
		!ws.Lists(h.PeekAll(fasthttp.HeaderConnection), "upgrade") {
		return "", upgradeRequired(ctx, "the request must ask for an upgrade to WebSocket")
	}
	if versions := h.PeekAll("Sec-WebSocket-Version"); len(versions) != 1 || string(versions[0]) != ws.Version {
		return "", upgradeRequired(ctx, "the version of WebSocket must be "+ws.Version)
	}
	keys := h.PeekAll("Sec-WebSocket-Key")
	if len(keys) != 1 || !ws.ValidKey(string(keys[0])) {
		return "", malformed("invalid_websocket_key",
			"the header Sec-WebSocket-Key must occur once and be 16 bytes in base64")
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

// socketHead returns the response that switches protocols.
func socketHead(ctx *fasthttp.RequestCtx, key string) []byte {
	return responseHead(ctx, http.StatusSwitchingProtocols, func(h *fasthttp.ResponseHeader) {
		h.Set(fasthttp.HeaderUpgrade, "websocket")
		h.Set(fasthttp.HeaderConnection, "Upgrade")
		h.Set("Sec-WebSocket-Accept", ws.Accept(key))
	})
}

// refuseSocket answers a well-formed handshake with err. A page cannot read a failed handshake. So a browser, which
// names its origin, gets the refusal after a successful handshake: as a message and a close frame, like every end of
// a stream. All other clients get the problem. So does a page whose origin is not allowed, which must not read
// either.
func (a *App) refuseSocket(ctx *fasthttp.RequestCtx, key string, err error) error {
	page := len(ctx.Request.Header.Peek(fasthttp.HeaderOrigin)) > 0
	switch {
	case errors.Is(err, errStopped) && !page:
		return stopped(ctx)
	case !page || errors.Is(err, errOrigin):
		return err
	}
	f := sse.Frame{Name: sse.Ended, Data: []byte(`{}`), ID: sse.Stop}
	if !errors.Is(err, errStopped) {
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

// socketClient handles the frames that the client of a WebSocket sends.
type socketClient struct {
	app      *App
	conn     *hub.Conn
	in       ws.Receiver
	renewing renewing
}

// Receive answers pings and the close frame, and starts a renewal. Anything else ends the connection.
func (s *socketClient) Receive(b []byte) hub.Reply {
	var out []byte
	err := s.in.Take(b, func(m ws.Message) error {
		switch m.Op {
		case ws.Ping:
			// of several pings the last is answered: RFC 6455 section 5.5.3
			out = ws.AppendFrame(out[:0], ws.Pong, m.Data)
		case ws.Close:
			return closeCode(m.Code)
		case ws.Text:
			return s.renew(m.Data)
		}
		return nil
	})
	switch e := err.(type) {
	case nil:
		return hub.Reply{Bytes: out}
	case closeCode:
		if e == closeCode(1005) {
			return hub.Reply{Bytes: ws.AppendFrame(nil, ws.Close, nil), Last: true}
		}
		return hub.Reply{Bytes: ws.AppendClose(nil, ws.Code(e), ""), Last: true}
	case *ws.Error:
		return hub.Reply{Bytes: ws.AppendClose(nil, e.Code, e.Reason), Last: true, Violation: true}
	}
	return hub.Reply{Bytes: ws.AppendClose(nil, ws.Policy, ""), Last: true, Violation: true}
}

// closeCode is the code of a client's close frame; the answer has the same code.
type closeCode ws.Code

func (closeCode) Error() string { return "the client has closed the connection" }

// renew takes a client's text, which must be {"renew":"<token>"}.
func (s *socketClient) renew(text []byte) error {
	var m map[string]json.RawMessage
	var raw string
	if json.Unmarshal(text, &m) != nil || len(m) != 1 || json.Unmarshal(m["renew"], &raw) != nil || raw == "" {
		return &ws.Error{Code: ws.Policy, Reason: "a text must be a renewal"}
	}
	if !s.renewing.begin() {
		return &ws.Error{Code: ws.Policy, Reason: "a renewal is under way"}
	}
	go s.app.renewSocket(s, raw)
	return nil
}
