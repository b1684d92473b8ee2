package hub

import (
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
)

// Format encodes events for a transport. An event's frame is the output of AppendEvent followed by that of AppendEnd:
// the first is the same for every subscriber of the channel and is encoded once; the second carries the connection's
// cursor. Implementations are comparable (equal ones share frames), stateless and safe for concurrent use. Each
// transport has one, such as sse.Format and ndjson.Format.
type Format interface {
	AppendEvent(dst []byte, e *tenants.Event) []byte
	AppendEnd(dst, cursor []byte) []byte
	// AppendControl appends a frame of the hub's own: its name, its data as a JSON object, and a cursor and a retry
	// time unless they are zero.
	AppendControl(dst []byte, name string, data []byte, cursor string, retry time.Duration) []byte
	// AppendPing appends the shortest bytes that keep the connection open.
	AppendPing(dst []byte) []byte
	// AppendClose appends the end of the stream after its last frame, a control of that name.
	AppendClose(dst []byte, name string) []byte
}

// Subscription is the result of a route's authentication, authorisation and admission of a request. The hub keeps its
// strings: they must not be those of a request context that is reused.
type Subscription struct {
	ID        string // the connection's id; "": a new one
	Principal *tenants.Principal
	Tenant    tenants.TenantID
	Channels  []string // 1 to tenants.MaxChannels, distinct, in the order of the request
	// Positions holds the cursor, one position for each channel: see tenants.ParseCursor. nil: from now on.
	Positions []int64
	Format    Format
	Head      []byte    // the response head, written first and not kept longer
	Remote    string    // the client's address, for Connections
	Transport string    // "sse", "poll", …, for Connections and to count by
	Plan      string    // the tenant's, to count by
	Traced    time.Time // until when the tenant's sessions are recorded; zero: they are not
	// Release gives the admitted slot back. It is called exactly once, when the connection is over or lapses, and
	// must not block.
	Release func()
	Poll    *Poll // not nil: a long poll, see there
	Input   Input // not nil: the client may send bytes, and must answer pings
}

// Poll makes a Subscription a long poll, which ends with its first events or when the wait is over.
type Poll struct {
	Wait time.Duration // how long to wait for a first event; 0 answers with the existing events
	Max  int           // maximum number of events; 0: 100
	// Respond is called once, unless the client left before, and must not block. It returns the whole response, which
	// is written before the connection is closed. If the Conn is never attached (see Conn.Wait), the return value is
	// dropped.
	Respond func(Result) []byte
}

// Result is the outcome of a long poll.
type Result struct {
	Items  []Item // in order within each channel
	Cursor string // where to continue; Stop if every channel has ended and everything is delivered
	// Err is of kind Unavailable if the positions were not known in time; then Items is empty and Cursor "".
	Err error
}

// Item is an event, or a gap that reports lost events.
type Item struct {
	Event *tenants.Event // shared: must not be changed
	Gap   *eventlog.Gap
}

// Stop is the cursor of a stream that is over for good: a request that brings it back is answered with 204.
const Stop = sse.Stop

// Connection describes a live connection.
type Connection = tenants.Connection
