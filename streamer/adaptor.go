package streamer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/hookcast/hookcast/tenants"
	"github.com/valyala/fasthttp"
)

// mount serves h, a net/http handler, under Fiber. fasthttp's own adaptor is not used: it reads the whole body first,
// without a bound when bodies are streamed; it runs the handler in another goroutine; it passes strings that change
// if they are kept; and it rejoins cookies. Here the handler runs in the calling goroutine and owns its strings,
// header lines arrive as they were sent, with duplicates and the order of values, and the body is read when the
// handler asks for it, up to limit bytes.
func (a *App) mount(h http.Handler, limit int64) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ctx := c.Context()
		if int64(ctx.Request.Header.ContentLength()) > limit {
			return errBodyTooLarge(limit)
		}
		body := &requestBody{stream: ctx.RequestBodyStream(), left: limit, limit: limit}
		within, cancel := context.WithCancel(a.lifetime)
		defer cancel()
		whose := new(observed)
		r, err := toRequest(context.WithValue(within, observedKey{}, whose), ctx, body)
		if err != nil {
			return err
		}
		if a.o.TrustedHops > 0 { // the client's address, for handlers that count by address; its port is unknown
			r.RemoteAddr = net.JoinHostPort(clientIP(ctx, a.o.TrustedHops), "0")
		}
		defer func() { ctx.SetUserValue(tenantKey{}, whose.get()) }()
		w := &responseWriter{ctx: ctx, header: make(http.Header), lifetime: a.lifetime}
		h.ServeHTTP(w, r)
		if ctx.Response.StatusCode() == http.StatusTooManyRequests {
			a.delayRefusal()
		}
		w.finish()
		if body.finish() {
			ctx.SetUserValue(bodyReadKey{}, true)
		}
		return nil
	}
}

// refusalTime delays the answer to a client that exceeds a limit. Without it, a client that retries at once on many
// connections would take the processor from all others.
const refusalTime = 50 * time.Millisecond

func (a *App) delayRefusal() {
	select {
	case <-time.After(refusalTime):
	case <-a.lifetime.Done():
	}
}

// toRequest copies ctx's request into a net/http request.
func toRequest(within context.Context, ctx *fasthttp.RequestCtx, body *requestBody) (*http.Request, error) {
	h := &ctx.Request.Header
	uri := string(h.RequestURI())
	u, err := url.ParseRequestURI(uri)
	if err != nil {
		return nil, malformed("request_target", "the request's target must be a URI")
	}
	r := &http.Request{
		Method: string(h.Method()), URL: u, RequestURI: uri, Host: string(h.Host()),
		RemoteAddr: ctx.RemoteAddr().String(), Proto: string(h.Protocol()), ProtoMajor: 1, ProtoMinor: 1,
		Header:        make(http.Header, 16),
		ContentLength: max(int64(h.ContentLength()), -1), Body: http.NoBody,
	}
	if r.Proto == "HTTP/1.0" {
		r.ProtoMinor = 0
	}
	if body.stream != nil {
		r.Body = body
	} else if r.ContentLength < 0 {
		r.ContentLength = 0
	}
	if r.ContentLength < 0 {
		r.TransferEncoding = []string{"chunked"}
	}
	for line := range strings.SplitSeq(string(h.RawHeaders()), "\r\n") { // well-formed: checkFraming has checked them
		name, value, found := strings.Cut(line, ":")
		if !found {
			continue
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		if name != "Host" && name != "Transfer-Encoding" {
			r.Header[name] = append(r.Header[name], strings.Trim(value, " \t"))
		}
	}
	return r.WithContext(within), nil
}

// requestBody reads a request's body up to a limit and turns the transport's errors into kinds.
type requestBody struct {
	stream      io.Reader // nil: there is no body
	left, limit int64
	ended       bool
	failed      error
}

func errBodyTooLarge(limit int64) error {
	return tenants.Errorf(tenants.TooLarge, "body_too_large", "the body must have at most %d bytes", limit)
}

func (b *requestBody) Read(p []byte) (int, error) {
	switch {
	case b.failed != nil:
		return 0, b.failed
	case b.ended || b.stream == nil:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one byte more distinguishes a body at the limit from one over it
	}
	n, err := b.stream.Read(p)
	if int64(n) > b.left {
		b.failed = errBodyTooLarge(b.limit)
		return int(b.left), b.failed
	}
	b.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF):
		b.ended = true
	case err != nil:
		b.failed = bodyError(err)
		err = b.failed
	}
	return n, err
}

func (b *requestBody) Close() error { return nil }

// bodyError returns the error for a body that broke off. It leaves out the cause: fasthttp's errors quote the
// request.
func bodyError(err error) error {
	if t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && t.Timeout() {
		return &tenants.Error{Kind: tenants.Timeout, Code: "request_timeout"}
	}
	return malformed("body_broken", "the body must be complete and framed as its headers say")
}

// finish reads the rest of the body, so that the connection can serve another request. It returns false if the rest
// is too long.
func (b *requestBody) finish() bool {
	const most = 64 << 10
	if b.stream == nil || b.ended {
		return true
	}
	io.CopyN(io.Discard, b, most)
	return b.ended
}

// responseWriter writes a net/http response into ctx, which holds it until the handler has returned.
type responseWriter struct {
	ctx     *fasthttp.RequestCtx
	header  http.Header
	started bool

	lifetime context.Context // of the App
}

func (w *responseWriter) Header() http.Header { return w.header }

// finish sends the headers if the handler has written nothing. The response to HEAD keeps the length that the handler
// set.
func (w *responseWriter) finish() {
	w.WriteHeader(http.StatusOK)
	if n, err := strconv.Atoi(w.header.Get("Content-Length")); err == nil && w.ctx.IsHead() &&
		len(w.ctx.Response.Body()) == 0 {
		w.ctx.Response.Header.SetContentLength(n)
	}
}

func (w *responseWriter) WriteHeader(status int) {
	if w.started || status < 200 {
		return
	}
	w.started = true
	out := &w.ctx.Response.Header
	w.ctx.SetStatusCode(status)
	for name, values := range w.header {
		for i, v := range values {
			switch {
			case name == "Content-Length" || name == "Transfer-Encoding" || name == "Date":
				// fasthttp sets these
			case name == "Connection":
				if strings.EqualFold(v, "close") {
					out.SetConnectionClose()
				}
			case i == 0:
				out.Set(name, v)
			default:
				out.Add(name, v)
			}
		}
	}
}

// Pull makes the server call next for the body while it sends it, after the handler has returned. ctx ends with the
// App. Each piece must leave within the write timeout. If next fails, the client sees a response that breaks off.
// Pull returns false for HTTP/1.0, whose clients could not see that.
func (w *responseWriter) Pull(next func(context.Context) ([]byte, error)) bool {
	if w.started || !w.ctx.Request.Header.IsHTTP11() {
		return false
	}
	w.WriteHeader(http.StatusOK)
	w.ctx.Response.SetBodyStream(&pulled{next: next, lifetime: w.lifetime, conn: w.ctx.Conn()}, -1)
	return true
}

// pulled is a body that is made while it is read.
type pulled struct {
	next     func(context.Context) ([]byte, error)
	lifetime context.Context
	conn     net.Conn
	piece    []byte
}

func (p *pulled) Read(b []byte) (n int, err error) {
	if len(p.piece) == 0 {
		if p.piece, err = p.nextPiece(); err != nil {
			return 0, err
		}
		if err := p.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return 0, err
		}
	}
	n = copy(b, p.piece)
	p.piece = p.piece[n:]
	return n, nil
}

// nextPiece calls next and recovers from its panic, which would end the process: the handler's recovery is over by
// then.
func (p *pulled) nextPiece() (piece []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return p.next(p.lifetime)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	if !w.started {
		w.WriteHeader(http.StatusOK)
	}
	if len(p) > 0 && len(w.ctx.Response.Header.ContentType()) == 0 {
		w.ctx.Response.Header.SetContentType(http.DetectContentType(p))
	}
	w.ctx.Response.AppendBody(p)
	return len(p), nil
}
