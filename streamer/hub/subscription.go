package hub

import (
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
)

// Format puts events on a wire. An event's frame is what AppendEvent and then AppendEnd append: the first part is the same for
// every subscriber of the channel and is encoded once; the second carries the connection's cursor. Implementations are
// comparable (equal ones share frames), stateless and safe for concurrent use. Each transport has one: sse.Format, ndjson.Format.
type Format interface {
	AppendEvent(dst []byte, e *tenants.Event) []byte
	AppendEnd(dst, cursor []byte) []byte
	// AppendControl appends a frame of the hub's own: its name, its data as a JSON object, a cursor and a retry time where they are
	// not zero.
	AppendControl(dst []byte, name string, data []byte, cursor string, retry time.Duration) []byte
	// AppendPing appends the smallest thing that keeps the connection open.
	AppendPing(dst []byte) []byte
	// AppendClose appends what ends the stream behind its last frame, which is a control of that name.
	AppendClose(dst []byte, name string) []byte
}

// Subscription is what a route hands over once it has authenticated, authorised and admitted a request. Strings must be the
// hub's to keep: not those of a request context that is used again.
type Subscription struct {
	ID        string // the connection's id; "": a fresh one
	Principal *tenants.Principal
	Tenant    tenants.TenantID
	Channels  []string // 1 to tenants.MaxChannels, distinct, in the order of the request
	// Positions are the cursor, one for each channel: see tenants.ParseCursor. nil: from now on.
	Positions []int64
	Format    Format
	Head      []byte    // written before anything else: the response head. Not kept longer
	Remote    string    // the client's address, for Connections
	Transport string    // "sse", "poll", …, for Connections and to count by
	Plan      string    // the tenant's, to count by
	Traced    time.Time // until when the tenant's comings and goings are recorded; zero: they are not
	// Release gives the admitted slot back. Called exactly once, when the connection is over or has never come to be; must not block.
	Release func()
	Poll    *Poll // not nil: a long poll, see there
	Ears    Ears  // not nil: the client may speak, and must answer pings
}

// Poll makes a Subscription a long poll: it is over with its first events, or when the wait is.
type Poll struct {
	Wait time.Duration // how long to wait for a first event; 0 answers with what is there
	Max  int           // events at most; 100 where it is 0
	// Respond is called once, unless the client left before, and must not block. It returns the whole response, which is written to the
	// connection before that is closed. On a Conn that is never attached (see Conn.Wait) what it returns is dropped.
	Respond func(Result) []byte
}

// Result is what a long poll ends with.
type Result struct {
	Items  []Item // in order within each channel
	Cursor string // where to go on; Stop where every channel has ended and all is delivered
	Err    error  // kind Unavailable: positions could not be found out in time, Items is empty and Cursor ""
}

// Item is an event, or a gap where something is lost.
type Item struct {
	Event *tenants.Event // shared: not to be changed
	Gap   *eventlog.Gap
}

// Stop is the cursor of a stream that is over for good: a request that brings it back is answered with 204.
const Stop = sse.Stop

// Connection describes a live connection.
type Connection = tenants.Connection
