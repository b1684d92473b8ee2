package sse

import (
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Through is the format of somebody else's events on their way to one client: their ids are that server's own, so that the client brings
// back what the server can go on from. An event's id is its Provenance's DeliveryID.
type Through struct{}

// AppendEvent appends the lines of e, its id among them where it has one that can stand there.
func (Through) AppendEvent(dst []byte, e *tenants.Event) []byte {
	dst = Data.AppendEvent(dst, e)
	if e.Provenance == nil || e.Provenance.DeliveryID == "" || e.Provenance.DeliveryID == Stop {
		return dst
	}
	return append(append(append(dst, "id: "...), e.Provenance.DeliveryID...), '\n')
}

// AppendEnd appends the blank line that dispatches the event.
func (Through) AppendEnd(dst, _ []byte) []byte { return append(dst, '\n') }

// AppendControl appends a whole frame. data must be one line. A cursor of ours would overwrite the other server's: Stop alone goes out.
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
