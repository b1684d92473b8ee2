package streamer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants/envelope"
	"github.com/hookcast/hookcast/tenants/problem"
)

// poll serves GET /v1/poll: the events that a stream would carry after the cursor, as one JSON document. A request
// that finds nothing waits in the hub as a stream does, without a goroutine; one with wait=0 is answered in the
// handler, and its connection is reused.
//
//	{"data":[event or gap, …],"next_cursor":"…"}
//
// A gap is {"type":"hookcast.gap","channel":…} with "from" and "to", or with "reset":true.
func (a *App) poll(c *fiber.Ctx) error {
	ctx := c.Context()
	q, values, err := parseRequest(ctx)
	if errors.Is(err, errStopped) {
		return stopped(ctx)
	}
	if err == nil {
		err = q.checkOriginal(false)
	}
	if err != nil {
		return err
	}
	q.events = false // the response is JSON, regardless of Accept
	wait, limit, err := pollBounds(values)
	if err != nil {
		return err
	}
	id, lines := requestID(ctx), headerLines(ctx)
	respond := func(r hub.Result) []byte { // fasthttp's context belongs to another request by then
		if r.Err != nil {
			return a.problemAnswer(id, lines, r.Err)
		}
		return pollAnswer(http.StatusOK, jsonHeader, lines, q.pollBody(r))
	}
	opened, place, err := a.subscribe(ctx, q, func(s *hub.Subscription) {
		s.Transport, s.Poll = "poll", &hub.Poll{Wait: wait, Max: limit}
		if wait > 0 {
			s.Poll.Respond = respond
		}
	})
	if err != nil {
		return err
	}
	if wait > 0 {
		a.handOver(ctx, opened, place)
		return nil
	}
	return a.pollNow(ctx, opened, place, q)
}

// problemAnswer returns a whole response for an error.
func (a *App) problemAnswer(id string, lines []byte, err error) []byte {
	problem.Log(a.log, id, err)
	status, header, body := problem.Body(err, id)
	return pollAnswer(status, header, lines, body)
}

// pollNow answers with the events that exist.
func (a *App) pollNow(ctx *fasthttp.RequestCtx, opened *hub.Conn, p *place, q streamRequest) error {
	p.slot.Confirm()
	r, err := opened.Wait(a.lifetime)
	if err != nil {
		return err
	}
	ctx.Response.Header.SetContentType("application/json")
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.Response.Header.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	ctx.SetBody(q.pollBody(r))
	return nil
}

var jsonHeader = map[string]string{fasthttp.HeaderContentType: "application/json"}

// headerLines returns the header lines that all responses to a poll have.
func headerLines(ctx *fasthttp.RequestCtx) []byte {
	b := responseHead(ctx, http.StatusOK, func(h *fasthttp.ResponseHeader) {
		h.Set(fasthttp.HeaderCacheControl, "no-store")
		h.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
		h.SetConnectionClose()
	})
	_, lines, _ := bytes.Cut(bytes.TrimSuffix(b, []byte("\r\n")), []byte("\r\n"))
	return lines
}

// pollAnswer returns a whole response.
func pollAnswer(status int, header map[string]string, lines, body []byte) []byte {
	b := fmt.Appendf(make([]byte, 0, 256+len(lines)+len(body)), "HTTP/1.1 %d %s\r\n%s", status, http.StatusText(status),
		lines)
	for name, value := range header {
		b = fmt.Appendf(b, "%s: %s\r\n", name, value)
	}
	b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(body))
	return append(b, body...)
}

func (q streamRequest) pollBody(r hub.Result) []byte {
	b := []byte(`{"data":[`)
	for i, item := range r.Items {
		if i > 0 {
			b = append(b, ',')
		}
		switch g := item.Gap; {
		case g == nil && q.cloudEvents:
			b = envelope.AppendCloudEvent(b, *item.Event)
		case g == nil:
			b = envelope.Append(b, *item.Event)
		case g.Reset:
			// a channel's name needs no escaping
			b = append(b, `{"type":"hookcast.gap","channel":"`+g.Channel+`","reset":true}`...)
		default:
			b = append(b, `{"type":"hookcast.gap","channel":"`+g.Channel+`","from":`...)
			b = strconv.AppendInt(b, g.From, 10)
			b = append(b, `,"to":`...)
			b = strconv.AppendInt(b, g.To, 10)
			b = append(b, '}')
		}
	}
	cursor, _ := json.Marshal(r.Cursor)
	b = append(b, `],"next_cursor":`...)
	b = append(b, cursor...)
	return append(b, '}')
}
