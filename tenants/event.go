package tenants

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Event is one message of a channel. Its Seq is 0 until the log appends it; afterwards the event never changes.
type Event struct {
	ID          string
	Tenant      TenantID
	Channel     string
	Seq         int64 // its number in the channel: 1, 2, 3, …
	Type        string
	Data        []byte // the payload, byte for byte as it came
	ContentType string // as the sender declared it; "" if it did not
	Source      string // the source's id; "" for a publish
	Time        time.Time
	End         bool   // the publisher's last event: the channel has ended while this is its newest event
	DuplicateOf string // the id of an event with the same delivery id and another body
	Provenance  *Provenance
	Keep        time.Duration // the shortest time in the log, 15 days or more; negative: for ever. Set by the sender
	Hops        int           // how many of our deliveries it has come through; see MaxHops
	Trace       *TraceMark    `json:",omitempty"` // not nil if its steps are recorded. Set by the sender
	Snapshot    bool          // complete: a subscriber without a cursor begins with it if it is the newest event
}

// Provenance says how an event that came as a webhook was verified, and of which event it is a copy.
type Provenance struct {
	Scheme     string    // "github", …; "none" if the source verifies nothing
	Verified   bool      // false only with the scheme none
	Legacy     bool      // signed in the scheme's deprecated way, which the source allows
	SecretID   string    // which of the source's secrets matched
	Signed     time.Time // the provider's signed timestamp; zero if the scheme has none
	DeliveryID string    // the provider's id of this delivery
	Attempt    int       // the provider's count of attempts; 0 if it gives none
	ReplayOf   string    // the id of the event that this is a copy of; "" for an original
	// Headers are those that the scheme names, as received, so that the event can be verified again; see
	// signing.Scheme.Carried. Only holders of the tenant's API keys may see them.
	Headers map[string]string
	// Data is the body without its Content-Encoding; the signature covered other bytes, so Headers lacks it
	Decoded bool
}

// HeaderBytes returns the size of the headers' names and values; 0 for a nil p.
func (p *Provenance) HeaderBytes() (n int) {
	if p != nil {
		for name, value := range p.Headers {
			n += len(name) + len(value)
		}
	}
	return n
}

// TraceMark travels with an event that is traced.
type TraceMark struct {
	Verified time.Time `json:",omitzero"` // when its signature was verified; zero if it came under a credential
	Enqueued time.Time `json:",omitzero"` // when the queue accepted it
}

// Traced reports whether to record the event's steps: it is marked, and its trace is still kept.
func (e *Event) Traced(now time.Time) bool { return e.Trace != nil && now.Sub(e.Time) < TraceLife }

// An encoded event is a version byte, the length of a JSON head as uvarint, the head, and the payload as it is:
// payloads are most of the volume, and are neither escaped nor scanned.
const eventEncoding = 1

// EncodeEvent returns e in the form that queues and tables hold.
func EncodeEvent(e Event) []byte {
	data := e.Data
	e.Data = nil
	head, err := json.Marshal(e)
	if err != nil {
		panic("tenants: an event could not be encoded: " + err.Error())
	}
	b := append(make([]byte, 0, 1+binary.MaxVarintLen32+len(head)+len(data)), eventEncoding)
	return append(appendSized(b, head), data...)
}

// DecodeEvent is the inverse of EncodeEvent. The event's Data shares b's memory. Undecodable bytes: Internal
// event_undecodable.
func DecodeEvent(b []byte) (e Event, err error) {
	if len(b) == 0 || b[0] != eventEncoding {
		return Event{}, Errorf(Internal, "event_undecodable", "the encoding is unknown")
	}
	head, data, ok := cutSized(b[1:])
	if !ok {
		return Event{}, Errorf(Internal, "event_undecodable", "the encoding is truncated")
	}
	if err := json.Unmarshal(head, &e); err != nil {
		return Event{}, Errorf(Internal, "event_undecodable", "%w", err)
	}
	e.Data = data
	return e, nil
}

// EventRef is an event as lists show it, without its data.
type EventRef struct {
	ID, Channel, Source, Type string
	Seq                       int64
	Time                      time.Time
	Duplicate                 bool // another event has the same delivery id and another body
}

// Position returns the place after which a list that ended with e continues.
func (e EventRef) Position() string {
	return fmt.Sprintf("%d:%d:%s", e.Time.UnixNano(), e.Seq, e.Channel)
}

const (
	// MaxHops is how many of our deliveries an event can have come through. At this count it goes to no endpoint: some
	// server sends back to us what we send to it.
	MaxHops = 3
	// HeaderHops is the header with the number of our deliveries that a request has come through, this one included.
	// Event.Hops takes its value.
	HeaderHops = "Hookcast-Hops"
	// MaxType is the largest length of an event type in bytes.
	MaxType = 128
)

// HopsOf reads HeaderHops from headers with canonical keys; 0 if it is absent, MaxHops if it is not a small number. It
// needs no signature: a sender can only keep its own events from being delivered.
func HopsOf(header map[string][]string) int {
	values := header[HeaderHops]
	switch {
	case len(values) == 0:
		return 0
	case len(values) > 1 || len(values[0]) != 1 || values[0][0] < '0' || values[0][0] > '9':
		return MaxHops
	}
	return min(int(values[0][0]-'0'), MaxHops)
}

// CheckType refuses an invalid event type. A type is 1 to 128 characters of [A-Za-z0-9._:/-], so that it fits into an
// SSE event line, a CloudEvents attribute and a listener's name: otherwise Unprocessable invalid_type. A ReservedType:
// Unprocessable reserved_type.
func CheckType(name string) error {
	if name == "" || len(name) > MaxType || strings.ContainsFunc(name, noTypeRune) {
		return Refused("/type", "invalid_type", "the type must be 1 to 128 letters, digits and . _ : / -")
	}
	if ReservedType(name) {
		return Refused("/type", "reserved_type", "the type must not be error, open, message or begin with hookcast.")
	}
	return nil
}

// ReservedType reports whether EventSource or Hookcast uses the name itself: error, open, message, and names that
// begin with hookcast.
func ReservedType(name string) bool {
	return name == "error" || name == "open" || name == "message" || strings.HasPrefix(name, "hookcast.")
}

// TypeChar reports whether an event type may contain c.
func TypeChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._:/-", c) >= 0
}

func noTypeRune(c rune) bool { return c >= utf8.RuneSelf || !TypeChar(byte(c)) }

// TypeOf makes a valid type of a provider's event name: "_" replaces each character that a type cannot contain, and
// "webhook." precedes a reserved name. An empty name becomes "webhook".
func TypeOf(name string) string {
	if name == "" {
		return "webhook"
	}
	if ReservedType(name) {
		name = "webhook." + name
	}
	name = strings.Map(func(c rune) rune {
		if noTypeRune(c) {
			return '_'
		}
		return c
	}, name)
	return name[:min(len(name), MaxType)]
}
