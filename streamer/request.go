package streamer

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/ndjson"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/valyala/fasthttp"
)

// streamRequest is a request for events, whose form has been checked and whose right has not. It owns its strings:
// fasthttp reuses the request's memory before a hijack handler runs.
type streamRequest struct {
	channels    []string
	cursor      string // of Last-Event-ID, else of ?after=; "": from now on
	token       string // ?token=
	typesOff    bool   // ?types=off
	cloudEvents bool   // ?format=cloudevents
	original    bool   // ?format=original
	events      bool   // Accept names text/event-stream and prefers nothing else of ours
	lines       bool   // Accept prefers application/x-ndjson
}

// errStopped says that the request brings hub.Stop, the id of a stream's last frame, as its cursor. The answer to a
// browser is 204, which stops an EventSource (HTML Living Standard, 9.2.3).
var errStopped = errors.New("the stream is over")

// parseRequest reads a request for a stream or a poll of channels.
func parseRequest(ctx *fasthttp.RequestCtx) (streamRequest, url.Values, error) {
	r, q, err := parseCommon(ctx)
	if n := ctx.Request.Header.ContentLength(); (n > 0 || n == -1) && !errors.Is(err, errStopped) {
		return r, nil, malformed("body_not_taken", "the request must not have a body")
	}
	if err != nil {
		return r, q, err
	}
	r.channels = q["channel"]
	return r, q, checkChannels(r.channels)
}

// parseCommon reads the parts that all requests for events share.
func parseCommon(ctx *fasthttp.RequestCtx) (streamRequest, url.Values, error) {
	h := &ctx.Request.Header
	var r streamRequest
	r.readAccept(h.PeekAll(fasthttp.HeaderAccept))
	switch ids := h.PeekAll("Last-Event-ID"); {
	case len(ids) > 1:
		return r, nil, malformed("duplicate_header", "the header Last-Event-ID must occur once")
	case len(ids) == 1 && string(ids[0]) == hub.Stop:
		return r, nil, errStopped // before any other complaint: only this answer stops an EventSource
	case len(ids) == 1:
		r.cursor = string(ids[0])
	}
	_, query, _ := strings.Cut(string(h.RequestURI()), "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return r, nil, malformed("invalid_query", "the query must be name=value pairs, percent-encoded and joined by &")
	}
	if r.cursor == "" {
		r.cursor = q.Get("after")
	}
	if r.cursor == hub.Stop {
		return r, nil, errStopped
	}
	for _, name := range []string{"after", "token", "types", "format", "wait", "limit"} {
		if len(q[name]) > 1 {
			return r, nil, malformed("duplicate_parameter", "a query parameter other than channel must occur once")
		}
	}
	r.token = q.Get("token")
	for name, values := range q {
		if name != "channel" && slices.ContainsFunc(values, account.IsKey) {
			return r, nil, malformed("credential_in_query",
				"a URL must not hold an API key; send it in Authorization, or mint a token for ?token=")
		}
	}
	err = r.readFormat(q)
	return r, q, err
}

// readFormat reads ?types= and ?format=.
func (r *streamRequest) readFormat(q url.Values) error {
	switch q.Get("types") {
	case "", "on":
	case "off":
		r.typesOff = true
	default:
		return malformed("invalid_types", "types must be on or off")
	}
	switch q.Get("format") {
	case "", "raw":
	case "cloudevents":
		r.cloudEvents = true
	case "original":
		r.original = true
	default:
		return malformed("invalid_format", "format must be raw, cloudevents or original")
	}
	return nil
}

// readAccept reads Accept. An EventSource names text/event-stream. A client that names none of our types gets events,
// and refusals as problems with their status.
func (r *streamRequest) readAccept(accept [][]byte) {
	events, lines := quality(accept, "text/event-stream"), quality(accept, ndjson.ContentType)
	r.lines = lines > events
	r.events = events > 0 && !r.lines
}

// checkOriginal refuses the format original on transports other than server-sent events, which do not have it.
func (r streamRequest) checkOriginal(events bool) error {
	if r.original && !events {
		return malformed("invalid_format", "the format original needs server-sent events; use raw or cloudevents here")
	}
	return nil
}

// noCursor is a position beyond every channel's tail: the hub answers it with a gap that says reset.
const noCursor = 1 << 62

// positions reads the cursor, one position for each channel; nil: from now on. A cursor that does not belong to these
// channels is refused, except for an EventSource, which never comes back after a refusal: it gets a reset gap, and
// every event from there on.
func (r streamRequest) positions() ([]int64, error) {
	if r.cursor == "" {
		return nil, nil
	}
	at, err := tenants.ParseCursor(r.cursor, r.channels)
	if err == nil {
		return at, nil
	}
	if !r.events {
		return nil, malformed("invalid_cursor",
			"the cursor must come from a stream of the same channels in the same order")
	}
	at = make([]int64, len(r.channels))
	for i := range at {
		at[i] = noCursor
	}
	return at, nil
}

func checkChannels(names []string) error {
	if len(names) == 0 {
		return malformed("channel_missing", "the query must name the channels: ?channel=a&channel=b")
	}
	if len(names) > tenants.MaxChannels {
		return malformed("too_many_channels", "the query must name at most "+strconv.Itoa(tenants.MaxChannels)+
			" channels")
	}
	for i, name := range names {
		if !tenants.ValidChannel(name) {
			return malformed("invalid_channel", "a channel's name must be segments of a-z, 0-9, _ and - joined by dots")
		}
		if slices.Contains(names[:i], name) {
			return malformed("duplicate_channel",
				"the query must name each channel once: a cursor has one position for each")
		}
	}
	return nil
}

// wholeNumber reads a query parameter from low to high; fallback if it is absent.
func wholeNumber(q url.Values, name string, fallback, low, high int) (int, error) {
	s, given := q[name]
	if !given {
		return fallback, nil
	}
	n, err := strconv.Atoi(s[0])
	if err != nil || n < low || n > high || strings.HasPrefix(s[0], "+") {
		return 0, malformed("invalid_"+name, name+" must be a whole number from "+strconv.Itoa(low)+
			" to "+strconv.Itoa(high))
	}
	return n, nil
}

const (
	pollWaitDefault = 25
	pollWaitMax     = 60 // seconds
	pollLimitMax    = 1000
)

// pollBounds reads ?wait= and ?limit=.
func pollBounds(q url.Values) (wait time.Duration, limit int, err error) {
	seconds, err := wholeNumber(q, "wait", pollWaitDefault, 0, pollWaitMax)
	if err != nil {
		return 0, 0, err
	}
	limit, err = wholeNumber(q, "limit", pollLimitMax, 1, pollLimitMax)
	return time.Duration(seconds) * time.Second, limit, err
}
