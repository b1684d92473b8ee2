package sse

import (
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Through is the format of another server's events on their way to one client. It keeps that server's ids, so that
// the client brings back an id that the server knows. An event's id is the DeliveryID of its Provenance.
type Through struct{}

// AppendEvent appends the lines of e, with its id if it has one that is allowed.
func (Through) AppendEvent(dst []byte, e *tenants.Event) []byte {
	dst = Data.AppendEvent(dst, e)
	if e.Provenance == nil || e.Provenance.DeliveryID == "" || e.Provenance.DeliveryID == Stop {
		return dst
	}
	return append(append(append(dst, "id: "...), e.Provenance.DeliveryID...), '\n')
}

// AppendEnd appends the blank line that dispatches the event.
func (Through) AppendEnd(dst, _ []byte) []byte { return append(dst, '\n') }

// AppendControl appends a whole frame. data must be one line. It drops every cursor except Stop: a cursor of ours
// would replace the other server's in the client.
func (Through) AppendControl(dst []byte, name string, data []byte, cursor string, retry time.Duration) []byte {
	if cursor != Stop {
		cursor = ""
	}
	return AppendFrame(dst, Frame{Name: name, Data: data, ID: cursor, Retry: retry})
}

// AppendPing appends a comment.
func (Through) AppendPing(dst []byte) []byte { return Data.AppendPing(dst) }

// AppendClose appends nothing: a stream ends where the connection does.
func (Through) AppendClose(dst []byte, _ string) []byte { return dst }
