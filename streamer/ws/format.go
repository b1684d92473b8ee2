package ws

import (
	"slices"
	"time"

	"github.com/hookcast/hookcast/streamer/ndjson"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
)

// Names of controls that only this transport has, with their members.
const (
	Renewed        = "hookcast.renewed"         // expires_at
	RenewalRefused = "hookcast.renewal_refused" // code, detail
)

// Format encodes events for a WebSocket.
type Format struct {
	CloudEvents bool // events are CloudEvents 1.0 JSON envelopes, with the cursor as an extension attribute
}

// AppendEvent appends the first fragment of e's message.
func (f Format) AppendEvent(dst []byte, e *tenants.Event) []byte {
	from := len(dst)
	return frame(ndjson.AppendEvent(dst, e, f.CloudEvents), from, false, Text)
}

// AppendEnd appends the last fragment.
func (Format) AppendEnd(dst, cursor []byte) []byte {
	from := len(dst)
	return frame(ndjson.AppendCursor(dst, cursor), from, true, Continuation)
}

// AppendControl appends a message of Hookcast's own. A ping follows a heartbeat: a page cannot see pings, and the
// client must answer every sign of life.
func (f Format) AppendControl(dst []byte, name string, data []byte, cursor string, retry time.Duration) []byte {
	from := len(dst)
	dst = frame(ndjson.AppendControl(dst, name, data, cursor, retry), from, true, Text)
	if name == sse.Heartbeat {
		dst = f.AppendPing(dst)
	}
	return dst
}

// AppendPing appends a ping.
func (Format) AppendPing(dst []byte) []byte { return AppendFrame(dst, Ping, nil) }

// AppendClose appends the close frame that goes with the control of that name.
func (Format) AppendClose(dst []byte, name string) []byte {
	code := Policy
	switch name {
	case sse.Ended:
		code = Normal
	case sse.Goodbye:
		code = GoingAway
	}
	return AppendClose(dst, code, name)
}

// frame turns dst[from:] into a frame.
func frame(dst []byte, from int, fin bool, op Opcode) []byte {
	var room [10]byte
	return slices.Insert(dst, from, appendHeader(room[:0], fin, op, len(dst)-from)...)
}
