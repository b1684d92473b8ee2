package tenants

import (
	"encoding/binary"
	"encoding/json"
	"time"
)

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

// Notice is what a node is told: events of a channel, or (Channel "") that something about the tenant has changed: policy,
// revocation, suspension, limits; or, with an Order, what it is to do.
type Notice struct {
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
