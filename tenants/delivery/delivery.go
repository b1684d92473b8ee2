package delivery

import (
	"encoding/binary"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Delivery is the carrying of one event to one endpoint, with all that came of it. It is written after the first attempt: what still waits for
// its first is in the queue alone.
type Delivery struct {
	ID       string
	Tenant   tenants.TenantID
	Endpoint string
	Event    string
	Channel  string
	Seq      int64
	Type     string
	Replay   string // the replay that asked for it; "": the event itself
	State    State
	Reason   string    // why State is dead or canceled: a word of Reasons
	Attempts int       // that were made; also how far the fence has moved: a message for one of these is late
	Base     int       // how many of Attempts were made when it was taken up last: the schedule counts from there
	History  []Attempt // the latest, the oldest first
	Next     time.Time // when the next attempt is due; zero unless State is pending
	Began    time.Time // when it was taken up last: what Deadline counts from
	Updated  time.Time
}

// State says what has become of a delivery.
type State string

// The states of a delivery. Only a pending one changes by itself.
const (
	Pending   State = "pending"
	Delivered State = "delivered"
	Dead      State = "dead"
	Canceled  State = "canceled"
)

// Why a delivery is dead or canceled.
const (
	ReasonExhausted = "attempts_exhausted" // every attempt of the schedule failed
	ReasonGone      = "endpoint_gone"      // the endpoint answered 410
	ReasonExpired   = "deadline_passed"    // its endpoint was disabled, held back or its tenant suspended until it was too late
	ReasonEventGone = "event_gone"         // the log has the event no more
	ReasonUnusable  = "endpoint_unusable"  // nothing can be sent to it: its URL, or what is sealed of it
	ReasonCanceled  = "canceled"           // somebody asked for it
)

// Attempt is one try at a delivery.
type Attempt struct {
	Number     int
	At         time.Time
	Took       time.Duration
	Status     int                 // 0: there was no answer
	Failure    tenants.Failure     // "": there was one
	Second     bool                // the connection failed at once and was tried a second time; what is here came of that
	RetryAfter time.Duration       // as the answer asked
	Header     map[string][]string // some of the answer's, none that is a secret
	Body       []byte              // at most attemptBody of the answer
	Truncated  bool                // there was more
}

// Succeeded tells whether the event has been taken: by a 2xx alone.
func (a Attempt) Succeeded() bool { return a.Failure == "" && a.Status >= 200 && a.Status < 300 }

// Bounds of what is kept of a delivery, so that its row has room for all: 24 attempts of 9 KB at most.
const (
	historyAtMost  = 24
	attemptBody    = 4 << 10
	attemptHeader  = 2 << 10
	deliveryLife   = 30 * 24 * time.Hour
	deliveryKindOf = "dlv/"
)

// deliveryID is the id that follows from an event, its endpoint, and the replay if any: whoever comes upon the delivery, however often,
// means the same. Ids sort by the event's time, to the millisecond; 32 bits in the middle tell endpoints apart, so that a delivery is found
// by its id alone.
func deliveryID(endpoint string, e tenants.Event, replay string) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(e.Time.UnixMilli(), 0))<<16)
	copy(b[6:10], endpointTag(endpoint))
	sum := tenants.HashParts("delivery", endpoint, e.ID, replay)
	copy(b[10:], sum[:])
	return tenants.PrefixDelivery + tenants.EncodeID(b)
}

func endpointTag(endpoint string) []byte {
	sum := tenants.HashParts("endpoint", endpoint)
	return sum[:4]
}

// tagOf returns the endpoint's tag in a valid delivery id.
func tagOf(id string) []byte {
	raw, err := tenants.Crockford.DecodeString("000000" + id[len(tenants.PrefixDelivery):])
	if err != nil || len(raw) < 14 {
		return nil
	}
	return raw[10:14]
}

// deliveriesAt returns the bound below every delivery id of events from at on.
func deliveriesAt(at time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(at.UnixMilli(), 0))<<16)
	return tenants.PrefixDelivery + tenants.EncodeID(b)
}

func deliveryKey(t tenants.TenantID, endpoint, id string) tenants.Key {
	return tenants.Key{Tenant: t, Kind: tenants.Kind(deliveryKindOf + endpoint), Sort: id}
}

func (d Delivery) key() tenants.Key { return deliveryKey(d.Tenant, d.Endpoint, d.ID) }

func (d Delivery) put(c tenants.Condition, now time.Time) tenants.Op {
	d.Updated = now.UTC()
	return tenants.Put(d.key(), record.Encode(d), now.Add(deliveryLife), c)
}

// note appends an attempt to the history.
func (d *Delivery) note(a Attempt) {
	if len(a.Body) > attemptBody {
		a.Body, a.Truncated = a.Body[:attemptBody], true
	}
	a.Header = someOf(a.Header, attemptHeader)
	d.History = append(d.History, a)
	if n := len(d.History); n > historyAtMost {
		d.History = append(d.History[:1:1], d.History[n-historyAtMost+1:]...) // how it began is the best clue to why
	}
}

// someOf is so much of the headers as fits, the shortest names first.
func someOf(header map[string][]string, most int) map[string][]string {
	size := 0
	for name, values := range header {
		size += len(name)
		for _, v := range values {
			size += len(v)
		}
	}
	if size <= most {
		return header
	}
	kept := make(map[string][]string)
	for _, name := range []string{"Content-Type", "Date", "Retry-After", "Server", "X-Request-Id"} {
		if v := header[name]; len(v) > 0 && len(v[0]) <= most/8 {
			kept[name] = v[:1]
		}
	}
	return kept
}

// Kinds are the kinds of rows that tenants have here.
func Kinds() []tenants.TenantKind { return []tenants.TenantKind{{Kind: rowDead}, {Kind: rowReplays}} }
