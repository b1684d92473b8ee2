package api

import (
	"context"
	"io"
	"net/http"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

const (
	exportPage  = 200      // events read at a time; the log ends a page earlier by its size
	exportChunk = 64 << 10 // bytes handed on at a time
	// exportPart is how large an answer gets where it has to be held as a whole: Lambda takes 6 MB, and in base64 this is 5.3.
	exportPart = 4 << 20
)

// pullWriter is a ResponseWriter that can ask for the body while it sends it, so that no more of it than a piece is held. next gives the next piece, and
// io.EOF behind the last. False: it cannot, for this request.
type pullWriter interface {
	Pull(next func(context.Context) ([]byte, error)) bool
}

// export is a channel on its way out as lines of JSON: an event each, then one that says where to go on.
type export struct {
	api     *API
	who     tenants.Principal
	channel string
	hidden  tenants.Hidden

	at, end int64           // the number of the last event given, and of the last one there was when the export began
	events  []tenants.Event // read, and not given yet
	tail    bool            // the last line has been given
}

// exportChannel gives all of a channel that retention shows, as it ends when the request comes. Whoever can send while it reads sends all of it; else an
// answer is a part, and its last line says where the next begins.
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
	return answer{http.StatusOK, x}, x.read(c.ctx) // so that what can be refused is, before the answer begins
}

// read reads a page where none is left, under the rights and limits that the reader has by then.
func (x *export) read(ctx context.Context) (err error) {
	if len(x.events) > 0 || x.at >= x.end {
		return nil
	}
	limits, err := x.api.Accounts.Limits(ctx, x.who.Tenant)
	if err != nil {
		return err
	}
	if ok, err := x.api.Gate.Allow(ctx, x.who, access.Channel(x.channel), access.Read); err != nil || !ok {
		return tenants.Errorf(tenants.Forbidden, "forbidden", "The right to read the channel is gone.")
	}
	if x.hidden, err = x.api.Gate.Hidden(ctx, x.who); err != nil {
		return err
	}
	page, err := x.api.Log.Read(ctx, x.who.Tenant, x.channel, x.at, exportPage, limits.Retention())
	if err != nil {
		return err
	}
	if len(page.Events) == 0 { // retention has passed the rest by
		x.at = x.end
	}
	x.events = page.Events
	return nil
}

// line returns the next event's line, nil behind the last.
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

// taken goes on behind the line given last.
func (x *export) taken() {
	x.at, x.events = x.events[0].Seq, x.events[1:]
}

// last is the last line: where the next part begins, or that there is none.
func (x *export) last() []byte {
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

// pull gives the next lines, a chunk of them.
func (x *export) pull(ctx context.Context) (b []byte, err error) {
	for len(b) < exportChunk && !x.tail {
		line, err := x.line(ctx)
		if err != nil {
			return nil, err
		}
		if line == nil {
			return append(b, x.last()...), nil
		}
		b = append(b, line...)
		x.taken()
	}
	if len(b) == 0 {
		return nil, io.EOF
	}
	return b, nil
}

// part gives as many lines as an answer holds that is held as a whole.
func (x *export) part(ctx context.Context) (b []byte, err error) {
	for {
		line, err := x.line(ctx)
		if err != nil {
			return nil, err
		}
		if line == nil || len(b) > 0 && len(b)+len(line) > exportPart {
			return append(b, x.last()...), nil
		}
		b = append(b, line...)
		x.taken()
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
