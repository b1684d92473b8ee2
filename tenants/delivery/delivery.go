package delivery

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Delivery is the sending of one event to one endpoint, and its result so far. Its row is written after the first
// attempt; before that there is only the message in the queue.
type Delivery struct {
	ID       string
	Tenant   tenants.TenantID
	Endpoint string
	Event    string
	Channel  string
	Seq      int64
	Type     string
	Replay   string // the id of the replay that it belongs to; "": none
	State    State
	Reason   string    // why State is Dead or Canceled: a Reason constant
	Attempts int       // the number of attempts made; a message for one of these is late
	Base     int       // how many of Attempts were made before it was last revived: the schedule counts from there
	History  []Attempt // the latest, oldest first
	Next     time.Time // when the next attempt is due; zero unless State is Pending
	Began    time.Time // when it was last revived, or else began: Deadline counts from there
	Updated  time.Time
}

// State is the state of a delivery.
type State string

// The states of a delivery. Only a pending one changes by itself.
const (
	Pending   State = "pending"
	Delivered State = "delivered"
	Dead      State = "dead"
	Canceled  State = "canceled"
)

// The reasons why a delivery is dead or canceled.
const (
	ReasonExhausted = "attempts_exhausted" // every attempt of the schedule failed
	ReasonGone      = "endpoint_gone"      // the endpoint answered 410
	ReasonExpired   = "deadline_passed"    // the endpoint was disabled or held, or its tenant suspended, for too long
	ReasonEventGone = "event_gone"         // the log no longer has the event
	ReasonUnusable  = "endpoint_unusable"  // no request can be made: the URL is invalid or a secret cannot be opened
	ReasonCanceled  = "canceled"           // by request
)

// Attempt is one try at a delivery.
type Attempt struct {
	Number     int
	At         time.Time
	Took       time.Duration
	Status     int                 // 0: there was no answer
	Failure    tenants.Failure     // "": there was an answer
	Second     bool                // the connection failed at once and this is the result of a second try
	RetryAfter time.Duration       // as the answer asked
	Header     map[string][]string // some of the answer's, without secrets
	Body       []byte              // the beginning of the answer's, at most attemptBody
	Truncated  bool                // the body was longer
}

// Succeeded reports whether the endpoint accepted the event, which only a 2xx says.
func (a Attempt) Succeeded() bool { return a.Failure == "" && a.Status >= 200 && a.Status < 300 }

// Bounds of a delivery's row: it holds 24 attempts of 9 KB at most.
const (
	historyAtMost  = 24
	attemptBody    = 4 << 10
	attemptHeader  = 2 << 10
	deliveryLife   = 30 * 24 * time.Hour
	deliveryPrefix = "dlv/" // of the kind; the endpoint follows
)

// deliveryID returns the id that follows from an event, its endpoint and the replay, if any, so that all processes
// name the same delivery. Ids sort by the event's time in milliseconds. Their bytes 6 to 9 are the endpoint's tag, by
// which a delivery can be found from its id alone.
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

// deliveriesAt returns the lower bound of the ids of deliveries of events since at.
func deliveriesAt(at time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(at.UnixMilli(), 0))<<16)
	return tenants.PrefixDelivery + tenants.EncodeID(b)
}

func deliveryKey(t tenants.TenantID, endpoint, id string) tenants.Key {
	return tenants.Key{Tenant: t, Kind: tenants.Kind(deliveryPrefix + endpoint), Sort: id}
}

// put writes the delivery as changed now.
func (d Delivery) put(c tenants.Condition, now time.Time) tenants.Op {
	d.Updated = now.UTC()
	return tenants.Put(deliveryKey(d.Tenant, d.Endpoint, d.ID), record.Encode(d), now.Add(deliveryLife), c)
}

// note appends an attempt to the history.
func (d *Delivery) note(a Attempt) {
	if len(a.Body) > attemptBody {
		a.Body, a.Truncated = a.Body[:attemptBody], true
	}
	a.Header = someOf(a.Header, attemptHeader)
	d.History = append(d.History, a)
	if n := len(d.History); n > historyAtMost {
		d.History = append(d.History[:1:1], d.History[n-historyAtMost+1:]...) // the first attempt often shows the cause
	}
}

// someOf returns the headers if they have at most limit bytes, or else short ones that help most to find a fault.
func someOf(header map[string][]string, limit int) map[string][]string {
	size := 0
	for name, values := range header {
		size += len(name) + len(strings.Join(values, ""))
	}
	if size <= limit {
		return header
	}
	kept := make(map[string][]string)
	for _, name := range []string{"Content-Type", "Date", "Retry-After", "Server", "X-Request-Id"} {
		if v := header[name]; len(v) > 0 && len(v[0]) <= limit/8 {
			kept[name] = v[:1]
		}
	}
	return kept
}

const rowDead tenants.Kind = "list/dead" // {tenant}, delivery id

// deadRecord says which endpoint a dead delivery is of.
type deadRecord struct{ Endpoint string }

func (d Delivery) deadKey() tenants.Key {
	return tenants.Key{Tenant: d.Tenant, Kind: rowDead, Sort: d.ID}
}

// Kinds returns the kinds of rows that a tenant may have in this package. Those of deliveries and cursors expire.
func Kinds() []tenants.TenantKind { return []tenants.TenantKind{{Kind: rowDead}, {Kind: rowReplays}} }
