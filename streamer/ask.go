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

// ask is what a client asked to hear, checked for form and not yet for right. Its strings are its own: fasthttp reuses the
// request's memory before a hijack handler runs.
type ask struct {
	channels    []string
	cursor      string // of Last-Event-ID, else of ?after=; "" from now on
	token       string // ?token=
	typesOff    bool   // ?types=off
	cloudEvents bool   // ?format=cloudevents
	original    bool   // ?format=original
	events      bool   // Accept names text/event-stream, and nothing that it prefers
	lines       bool   // Accept prefers application/x-ndjson
}

// errStopped is what askOf makes of hub.Stop, the id of a stream's last frame. A browser that brings it back is told 204, upon which it
// stops (HTML Living Standard, 9.2.3).
var errStopped = errors.New("the stream is over")

// askOf reads a request for a stream or a poll of channels.
func askOf(ctx *fasthttp.RequestCtx) (ask, url.Values, error) {
	a, q, err := askWithout(ctx)
	if n := ctx.Request.Header.ContentLength(); (n > 0 || n == -1) && err != errStopped {
		return a, nil, malformed("body_not_taken", "This request takes no body.")
	}
	if err != nil {
		return a, q, err
	}
	a.channels = q["channel"]
	return a, q, checkChannels(a.channels)
}

// askWithout reads what all requests for a stream have in common.
func askWithout(ctx *fasthttp.RequestCtx) (ask, url.Values, error) {
	h := &ctx.Request.Header
	var a ask
	a.prefer(h.PeekAll(fasthttp.HeaderAccept))
	switch ids := h.PeekAll("Last-Event-ID"); {
	case len(ids) > 1:
		return a, nil, malformed("duplicate_header", "Last-Event-ID is given more than once.")
	case len(ids) == 1 && string(ids[0]) == hub.Stop:
		return a, nil, errStopped // whatever else is wrong: that is what stops an EventSource
	case len(ids) == 1:
		a.cursor = string(ids[0])
	}
	_, query, _ := strings.Cut(string(h.RequestURI()), "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return a, nil, malformed("invalid_query", "The query cannot be parsed.")
	}
	if a.cursor == "" {
		a.cursor = q.Get("after")
	}
	if a.cursor == hub.Stop {
		return a, nil, errStopped
	}
	for _, name := range []string{"after", "token", "types", "format", "wait", "limit"} {
		if len(q[name]) > 1 {
			return a, nil, malformed("duplicate_parameter", "A query parameter other than channel is given more than once.")
		}
	}
	a.token = q.Get("token")
	for name, values := range q {
		if name != "channel" && slices.ContainsFunc(values, account.IsKey) {
			return a, nil, malformed("credential_in_query", "An API key does not belong into a URL. Send it in Authorization, or mint a token for ?token=.")
		}
	}
	switch q.Get("types") {
	case "", "on":
	case "off":
		a.typesOff = true
	default:
		return a, nil, malformed("invalid_types", "types is on or off.")
	}
	switch q.Get("format") {
	case "", "raw":
	case "cloudevents":
		a.cloudEvents = true
	case "original":
		a.original = true
	default:
		return a, nil, malformed("invalid_format", "format is raw, cloudevents or original.")
	}
	return a, q, nil
}

// checkOriginal refuses the original form to who does not get Server-Sent Events: other transports do not have it.
func (q ask) checkOriginal(events bool) error {
	if q.original && !events {
		return malformed("invalid_format", "The format original is one of Server-Sent Events alone.")
	}
	return nil
}

func checkChannels(names []string) error {
	if len(names) == 0 {
		return malformed("channel_missing", "Name the channels: ?channel=a&channel=b.")
	}
	if len(names) > tenants.MaxChannels {
		return malformed("too_many_channels", "One connection takes "+strconv.Itoa(tenants.MaxChannels)+" channels at most.")
	}
	for i, name := range names {
		if !tenants.ValidChannel(name) {
			return malformed("invalid_channel", "A channel's name is segments of a-z, 0-9, _ and - joined by dots.")
		}
		if slices.Contains(names[:i], name) {
			return malformed("duplicate_channel", "A channel is named twice: a cursor has one position for each.")
		}
	}
	return nil
}

// prefer reads Accept. An EventSource names text/event-stream; who names nothing of ours gets events, and refusals by their status.
func (a *ask) prefer(accept [][]byte) {
	events, lines := quality(accept, "text/event-stream"), quality(accept, ndjson.ContentType)
	a.lines = lines > events
	a.events = events > 0 && !a.lines
}

// wholeNumber reads a query parameter from low to high; fallback where it is not given.
func wholeNumber(q url.Values, name string, fallback, low, high int) (int, error) {
	s, given := q[name]
	if !given {
		return fallback, nil
	}
	n, err := strconv.Atoi(s[0])
	if err != nil || n < low || n > high || strings.HasPrefix(s[0], "+") {
		return 0, malformed("invalid_"+name, name+" is a whole number from "+strconv.Itoa(low)+" to "+strconv.Itoa(high)+".")
	}
	return n, nil
}

const (
	pollWaitDefault = 25
	pollWaitMax     = 60 // seconds
	pollLimitMax    = 1000
)

func pollBounds(q url.Values) (wait time.Duration, limit int, err error) {
	seconds, err := wholeNumber(q, "wait", pollWaitDefault, 0, pollWaitMax)
	if err != nil {
		return 0, 0, err
	}
	limit, err = wholeNumber(q, "limit", pollLimitMax, 1, pollLimitMax)
	return time.Duration(seconds) * time.Second, limit, err
}
