package api

import (
	"context"
	"io"
	"net/http"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/hidden"
)

const (
	exportPage  = 200      // events per read; the log also bounds a page by its size
	exportChunk = 64 << 10 // bytes per write
	// exportPart bounds an answer that is kept in memory as a whole. In base64 it has 5.6 MB; Lambda accepts 6 MB.
	exportPart = 4 << 20
)

// pullWriter is a ResponseWriter that calls next for one piece of the body after another, so that only one is in
// memory. next returns io.EOF after the last. Pull returns false if the writer cannot do that for this request.
type pullWriter interface {
	Pull(next func(context.Context) ([]byte, error)) bool
}

// export is a channel as lines of JSON: one for each event, then one with the cursor to continue from.
type export struct {
	api     *API
	who     tenants.Principal
	channel string
	hidden  hidden.Hidden

	at, end int64           // the numbers of the last event written and of the last one when the export began
	events  []tenants.Event // read and not yet written
	tail    bool            // the last line has been written
}

// exportChannel answers with all events of a channel within retention, up to the last one at the time of the request.
// A pullWriter sends all of them; otherwise the answer is a part, and its last line has the cursor of the next part.
func (a *API) exportChannel(c *call) (answer, error) {
	name, err := c.channel()
	if err != nil {
		return answer{}, err
	}
	after, err := afterOf(c.query["after"], name)
	if err != nil {
		return answer{}, err
	}
	if _, err := a.Log.Channel(c.ctx, c.who.Tenant, name); err != nil {
		return answer{}, err
	}
	end, err := a.Log.Tail(c.ctx, c.who.Tenant, name)
	if err != nil {
		return answer{}, err
	}
	x := &export{api: a, who: c.who, channel: name, at: after, end: end}
	return answer{http.StatusOK, x}, x.read(c.ctx) // read now, so that errors get a status of their own
}

// read reads the next page if all events are written. It checks the caller's rights and limits each time.
func (x *export) read(ctx context.Context) (err error) {
	if len(x.events) > 0 || x.at >= x.end {
		return nil
	}
	limits, err := x.api.Accounts.Limits(ctx, x.who.Tenant)
	if err != nil {
		return err
	}
	if ok, err := x.api.Gate.Allow(ctx, x.who, access.Channel(x.channel), access.Read); err != nil || !ok {
		return tenants.Errorf(tenants.Forbidden, "forbidden", "the caller no longer has the right to read the channel")
	}
	if x.hidden, err = x.api.Gate.Hidden(ctx, x.who); err != nil {
		return err
	}
	page, err := x.api.Log.Read(ctx, x.who.Tenant, x.channel, x.at, exportPage, limits.Retention())
	if err != nil {
		return err
	}
	if len(page.Events) == 0 { // the rest is no longer within retention
		x.at = x.end
	}
	x.events = page.Events
	return nil
}

// line returns the next event's line, nil after the last.
func (x *export) line(ctx context.Context) ([]byte, error) {
	if err := x.read(ctx); err != nil {
		return nil, err
	}
	if len(x.events) == 0 || x.events[0].Seq > x.end {
		x.at = x.end
		return nil, nil
	}
	return append(appendEvent(nil, x.who, &x.events[0], x.hidden), '\n'), nil
}

// advance moves to the event after the one that line returned.
func (x *export) advance() {
	x.at, x.events = x.events[0].Seq, x.events[1:]
}

// lastLine returns the last line: the cursor of the next part, or null if there is none.
func (x *export) lastLine() []byte {
	x.tail = true
	if x.at < x.end {
		cursor := string(tenants.AppendCursor(nil, 0, []int64{x.at}))
		return append(encode(exportEnd{&cursor}), '\n')
	}
	return append(encode(exportEnd{}), '\n')
}

type exportEnd struct {
	Next *string `json:"next_cursor"`
}

// pull returns the next chunk of lines.
func (x *export) pull(ctx context.Context) (b []byte, err error) {
	for len(b) < exportChunk && !x.tail {
		line, err := x.line(ctx)
		if err != nil {
			return nil, err
		}
		if line == nil {
			return append(b, x.lastLine()...), nil
		}
		b = append(b, line...)
		x.advance()
	}
	if len(b) == 0 {
		return nil, io.EOF
	}
	return b, nil
}

// part returns lines of at most exportPart bytes, and always at least one event if there is any.
func (x *export) part(ctx context.Context) (b []byte, err error) {
	for {
		line, err := x.line(ctx)
		if err != nil {
			return nil, err
		}
		if line == nil || len(b) > 0 && len(b)+len(line) > exportPart {
			return append(b, x.lastLine()...), nil
		}
		b = append(b, line...)
		x.advance()
	}
}

// send answers with the export.
func (x *export) send(w http.ResponseWriter, c *call) error {
	h := w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Content-Disposition", `attachment; filename="`+x.channel+`.ndjson"`)
	if c.r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if p, ok := w.(pullWriter); ok && p.Pull(x.pull) {
		return nil
	}
	b, err := x.part(c.ctx)
	if err != nil {
		h.Del("Content-Disposition")
		return err
	}
	w.WriteHeader(http.StatusOK)
	w.Write(b)
	return nil
}
