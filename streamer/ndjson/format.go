package ndjson

import (
	"slices"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
)

// ContentType is the media type of a stream of lines.
const ContentType = "application/x-ndjson"

// Format encodes events for a stream of lines.
type Format struct {
	CloudEvents bool // lines are CloudEvents 1.0 JSON envelopes, with the cursor as an extension attribute
	Chunked     bool // in chunks of HTTP/1.1; otherwise the stream ends with the connection
}

// AppendEvent appends e's line without its end. The chunk ends here too, so that the shared bytes are a whole chunk:
// a chunk need not be a line.
func (f Format) AppendEvent(dst []byte, e *tenants.Event) []byte {
	from := len(dst)
	return f.chunk(AppendEvent(dst, e, f.CloudEvents), from)
}

// AppendEnd appends the line's end.
func (f Format) AppendEnd(dst, cursor []byte) []byte {
	from := len(dst)
	return f.chunk(append(AppendCursor(dst, cursor), '\n'), from)
}

// AppendControl appends a line of Hookcast's own.
func (f Format) AppendControl(dst []byte, name string, data []byte, cursor string, retry time.Duration) []byte {
	from := len(dst)
	return f.chunk(append(AppendControl(dst, name, data, cursor, retry), '\n'), from)
}

// AppendPing appends a heartbeat without a time: some readers of lines reject an empty one.
func (f Format) AppendPing(dst []byte) []byte { return f.AppendControl(dst, sse.Heartbeat, nil, "", 0) }

// AppendClose appends the last chunk. A stream in chunks that lacks it has broken off.
func (f Format) AppendClose(dst []byte, _ string) []byte {
	if f.Chunked {
		dst = append(dst, "0\r\n\r\n"...)
	}
	return dst
}

// chunk turns dst[from:] into a chunk.
func (f Format) chunk(dst []byte, from int) []byte {
	if !f.Chunked {
		return dst
	}
	var size [20]byte
	head := append(strconv.AppendInt(size[:0], int64(len(dst)-from), 16), '\r', '\n')
	return append(slices.Insert(dst, from, head...), '\r', '\n')
}
