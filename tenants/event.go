package tenants

import (
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// MaxHops is how many deliveries of ours an event may have come by. One that has come by so many goes to no endpoint: somebody's
// server sends us back what we send it.
const MaxHops = 3

// HeaderHops is the header that says by how many deliveries a request has come, ours included. What takes events in puts it
// into Event.Hops.
const HeaderHops = "Hookcast-Hops"

// HopsOf reads HeaderHops from headers with canonical keys; 0 where it is not there. Who sends it can only shorten the way of their own
// events, so that it needs no signature. Anything but a small number: MaxHops.
func HopsOf(header map[string][]string) int {
	values := header[HeaderHops]
	if len(values) == 0 {
		return 0
	}
	if len(values) > 1 || len(values[0]) != 1 || values[0][0] < '0' || values[0][0] > '9' {
		return MaxHops
	}
	return min(int(values[0][0]-'0'), MaxHops)
}

// Event is one message of a channel. Up to Log.Append its Seq is 0; from then on it never changes.
type Event struct {
	ID          string
	Tenant      TenantID
	Channel     string
	Seq         int64 // 1, 2, 3, … in its channel
	Type        string
	Data        []byte // the payload, byte for byte as it came
	ContentType string // as the sender declared it; "" where it did not
	Source      string // the source's id; "" for a publish
	Time        time.Time
	End         bool   // the publisher's last: the channel has ended for as long as this is its last event
	DuplicateOf string // the event with the same delivery id and another body
	Provenance  *Provenance
	Keep        time.Duration // how long the log keeps it at least; never less than 15 days, negative for good. Set by who enqueues it
	Hops        int           // how many deliveries of ours it has come by; see MaxHops
	Trace       *TraceMark    `json:",omitempty"` // not nil: what becomes of it is recorded. Set by who enqueues it
	Snapshot    bool          // the data say all that there is to know: who comes to the channel without a cursor begins with it, if it is the last
}

// Provenance says how an event that came in by webhook was verified, and of which one it is a copy.
type Provenance struct {
	Scheme     string    // "github", …; "none" where the source verifies nothing
	Verified   bool      // false only with scheme none
	Legacy     bool      // signed in the scheme's deprecated way, which the source allows
	SecretID   string    // which of the source's secrets matched
	Signed     time.Time // the provider's signed timestamp; zero where the scheme has none
	DeliveryID string    // the provider's id of this delivery
	Attempt    int       // the provider's count of attempts; 0 where it does not say
	ReplayOf   string    // the event that this is a copy of; "" for an original
	// Headers are those that the scheme names, as they came, so that the event can be verified again: see signing.Scheme.Carried. They are for
	// holders of the tenant's keys alone.
	Headers map[string]string
	Decoded bool // Data is the body behind its Content-Encoding: the signature covered other bytes, and is not among Headers
}

// HeaderBytes is how much Headers hold.
func (p *Provenance) HeaderBytes() (n int) {
	if p == nil {
		return 0
	}
	for name, value := range p.Headers {
		n += len(name) + len(value)
	}
	return n
}

// InboxMessage is what a node is told: events of a channel, or (Channel "") that something about the tenant has changed: policy,
// revocation, suspension, limits; or, with an Order, what it is to do.
type InboxMessage struct {
	Tenant  TenantID
	Channel string
	Events  []Event // consecutive, in order
	Order   *Order  // then Channel and Events are empty
}

// An encoded event is a version byte, the length of a JSON head as uvarint, the head, and the payload's own bytes: payloads are
// most of the volume, and are neither escaped nor searched.
const eventEncoding = 1

// EncodeEvent returns e in the form that queues and tables hold.
func EncodeEvent(e Event) []byte {
	data := e.Data
	e.Data = nil
	head, err := json.Marshal(e)
	if err != nil {
		panic("tenants: an event's fields always marshal: " + err.Error())
	}
	b := make([]byte, 0, 1+binary.MaxVarintLen32+len(head)+len(data))
	b = append(b, eventEncoding)
	b = binary.AppendUvarint(b, uint64(len(head)))
	b = append(b, head...)
	return append(b, data...)
}

// DecodeEvent is the inverse of EncodeEvent. The event's Data is part of b. What is no event: kind Internal, code event_undecodable.
func DecodeEvent(b []byte) (Event, error) {
	var e Event
	if len(b) == 0 || b[0] != eventEncoding {
		return e, Errorf(Internal, "event_undecodable", "unknown encoding")
	}
	n, w := binary.Uvarint(b[1:])
	if w <= 0 || n > uint64(len(b)-1-w) {
		return e, Errorf(Internal, "event_undecodable", "truncated")
	}
	head := b[1+w:]
	if err := json.Unmarshal(head[:n], &e); err != nil {
		return e, Errorf(Internal, "event_undecodable", "%w", err)
	}
	e.Data = head[n:]
	return e, nil
}

// EventRef is what the index knows of an event.
type EventRef struct {
	ID, Channel, Source, Type string
	Seq                       int64
	Time                      time.Time
	Duplicate                 bool // its delivery id was there before, with another body
}

// Position is where a list goes on that has ended with e.
func (e EventRef) Position() string {
	return strconv.FormatInt(e.Time.UnixNano(), 10) + ":" + strconv.FormatInt(e.Seq, 10) + ":" + e.Channel
}

const MaxType = 128

// ValidType refuses what cannot be an event's type. A type is 1 to 128 characters of [A-Za-z0-9._:/-]: it stands in an SSE
// event line, in a CloudEvents attribute and in a listener's name. Else: Unprocessable invalid_type. The names that
// EventSource and Hookcast itself use (error, open, message, hookcast.…): Unprocessable reserved_type.
func ValidType(name string) error {
	if name == "" || len(name) > MaxType {
		return Refused("/type", "invalid_type", "the type must be 1 to 128 characters")
	}
	for i := range len(name) {
		if !TypeChar(name[i]) {
			return Refused("/type", "invalid_type", "the type may hold letters, digits and . _ : / - only")
		}
	}
	if ReservedType(name) {
		return Refused("/type", "reserved_type", "error, open, message and names that begin with hookcast. are taken")
	}
	return nil
}

func ReservedType(name string) bool {
	return name == "error" || name == "open" || name == "message" || strings.HasPrefix(name, "hookcast.")
}

func TypeChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._:/-", c) >= 0
}

// TypeOf makes a valid type of what a provider calls its event: "_" stands for each character that a type cannot have, and
// "webhook." goes before a reserved name. A provider that names no type: "webhook".
func TypeOf(name string) string {
	if name == "" {
		return "webhook"
	}
	if ReservedType(name) {
		name = "webhook." + name
	}
	var b strings.Builder
	for _, c := range name {
		if b.Len() == MaxType {
			break
		}
		if c < 0x80 && TypeChar(byte(c)) {
			b.WriteByte(byte(c))
		} else {
			b.WriteByte('_')
		}
	}
	return b.String()
}
