package sse

import (
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/envelope"
)

// Format is the form of events in a stream.
type Format uint8

const (
	Data               Format = iota // event: the type; data: the payload
	Envelope                         // no event line; data: the event as the API shows it
	CloudEvents                      // event: the type; data: a CloudEvents 1.0 JSON envelope
	CloudEventsUntyped               // no event line; data: a CloudEvents 1.0 JSON envelope
	Original                         // no event line; data: the event as received, with headers. For API keys only
)

// Names of Hookcast's own frames, with the members of their data.
const (
	// Open has connection_id, heartbeat_ms (between named heartbeats), a retry time and an id. No event after it is
	// missed.
	Open      = "hookcast.open"
	Heartbeat = "hookcast.heartbeat" // time
	Gap       = "hookcast.gap"       // channel, from, to; or channel, reset
	Quota     = "hookcast.quota"     // code, detail; with retry: come back later
	Goodbye   = "hookcast.goodbye"   // reason; with retry: come back, another node serves on
	Expiring  = "hookcast.expiring"  // connection_id, expires_at: renew the connection by then
	Expired   = "hookcast.expired"   // detail; id !stop: come back with another credential
	Denied    = "hookcast.denied"    // detail; id !stop
	Ended     = "hookcast.ended"     // channel; id !stop once every channel of the connection has ended
)

// Stop is the id of a last frame: a client that sends it back is to be answered with 204, which ends a native
// EventSource.
const Stop = "!stop"

const suffixBase64 = ";base64"

// AppendEvent appends the lines of e except for its id and the blank line.
func (f Format) AppendEvent(dst []byte, e *tenants.Event) []byte {
	switch f {
	case Envelope:
		return appendData(dst, envelope.Append(nil, *e))
	case CloudEvents:
		return appendData(appendName(dst, name(e.Type)), envelope.AppendCloudEvent(nil, *e))
	case CloudEventsUntyped:
		return appendData(dst, envelope.AppendCloudEvent(nil, *e))
	case Original:
		return appendData(dst, envelope.AppendOriginal(nil, *e))
	}
	n := name(e.Type)
	if !plain(e.Data) || strings.HasSuffix(n, suffixBase64) {
		if n == "" {
			n = "message"
		}
		return appendBase64(appendName(dst, n+suffixBase64), e.Data)
	}
	return appendData(appendName(dst, n), e.Data)
}

// AppendEnd appends the id line and the blank line that dispatches the event.
func (Format) AppendEnd(dst, cursor []byte) []byte {
	dst = append(dst, "id: "...)
	dst = append(dst, cursor...)
	return append(dst, '\n', '\n')
}

// AppendControl appends a whole frame. data must be one line.
func (Format) AppendControl(dst []byte, name string, data []byte, cursor string, retry time.Duration) []byte {
	return AppendFrame(dst, Frame{Name: name, Data: data, ID: cursor, Retry: retry})
}

// AppendPing appends a comment.
func (Format) AppendPing(dst []byte) []byte { return append(dst, ':', '\n', '\n') }

// AppendClose appends nothing: a stream ends where the connection does.
func (Format) AppendClose(dst []byte, _ string) []byte { return dst }
