package tenants

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// InboxMessage is one message to a streaming node. It carries events of a channel; or, with an Order, a request to the
// node; or, with neither, the news that something about the tenant has changed: policy, revocation, suspension, limits.
type InboxMessage struct {
	Tenant  TenantID
	Channel string  // "" unless there are events
	Events  []Event // consecutive, in order
	Order   *Order  // nil if the message is not a request; otherwise Channel and Events are empty
}

// Order is a request to a streaming node. The answer goes into rows list/answers of the tenant.
type Order struct {
	Do         string     // OrderReturn, …
	Ask        string     // the key of the answer; "": no answer is wanted
	Channel    string     // OrderReturn: the slots of this channel,
	Subject    string     // or of this subject; if both are empty, of the tenant
	Connection string     // OrderClose, OrderRenew: the connection's id
	Principal  *Principal // OrderRenew: who the connection acts for from now on
	After      string     // OrderList: the Connection.Position after which to list,
	Limit      int        // and the largest number to list; 0: they are only counted
	Run        string     // OrderLetGo: the proxy's run
}

// Values of Order.Do.
const (
	OrderReturn = "return" // give back slots that are not in use
	OrderList   = "list"   // list the tenant's connections
	OrderClose  = "close"  // end a connection
	OrderRenew  = "renew"  // continue a connection under another credential
	OrderLetGo  = "let-go" // check whether a proxy's run on this node is still wanted
)

// Connection describes a live connection of a subscriber.
type Connection struct {
	ID        string
	Channels  []string
	Principal *Principal
	Transport string
	Remote    string
	Since     time.Time
	Cursor    string // "" before the first frame
	Backlog   int64  // bytes in its channels that were not yet handed to the connection
	Sent      int64  // bytes
}

// Position returns the place of the connection in a list that begins with the oldest.
func (c Connection) Position() string { return fmt.Sprintf("%019d/%s", c.Since.UnixNano(), c.ID) }

// NoConnection returns the error for a connection that does not exist: NotFound connection_not_found.
func NoConnection() error {
	return Errorf(NotFound, "connection_not_found", "there is no such connection")
}

// An encoded message begins with a version byte. Version 1 carries the tenant, the channel, and each event as
// EncodeEvent writes it, without its tenant and channel. Version 2 carries the tenant and an order as JSON. A uvarint
// with its length precedes each part.
const (
	eventsEncoding = 1
	orderEncoding  = 2
)

// EncodeInboxMessage returns m in the form that inboxes carry. Its events must be of m's tenant and channel.
func EncodeInboxMessage(m InboxMessage) []byte {
	if m.Order != nil {
		order, err := json.Marshal(m.Order)
		if err != nil {
			panic("tenants: an order could not be encoded: " + err.Error())
		}
		return appendSized(appendSized([]byte{orderEncoding}, []byte(m.Tenant)), order)
	}
	b := appendSized([]byte{eventsEncoding}, []byte(m.Tenant))
	b = appendSized(b, []byte(m.Channel))
	for _, e := range m.Events {
		e.Tenant, e.Channel = "", ""
		b = appendSized(b, EncodeEvent(e))
	}
	return b
}

// DecodeInboxMessage is the inverse of EncodeInboxMessage. The Data of the events share b's memory. Undecodable bytes:
// Internal notice_undecodable.
func DecodeInboxMessage(b []byte) (InboxMessage, error) {
	undecodable := Errorf(Internal, "notice_undecodable", "the encoding of an inbox message is unknown or damaged")
	if len(b) == 0 {
		return InboxMessage{}, undecodable
	}
	tenant, rest, _ := cutSized(b[1:])
	second, rest, ok := cutSized(rest) // fails if the first has failed
	order := new(Order)
	switch {
	case b[0] == orderEncoding && ok && len(rest) == 0 && json.Unmarshal(second, order) == nil:
		return InboxMessage{Tenant: TenantID(tenant), Order: order}, nil
	case b[0] != eventsEncoding || !ok:
		return InboxMessage{}, undecodable
	}
	m := InboxMessage{Tenant: TenantID(tenant), Channel: string(second)}
	for len(rest) > 0 {
		var encoded []byte
		if encoded, rest, ok = cutSized(rest); !ok {
			return InboxMessage{}, undecodable
		}
		e, err := DecodeEvent(encoded)
		if err != nil {
			return InboxMessage{}, Errorf(Internal, "notice_undecodable", "%w", err)
		}
		e.Tenant, e.Channel = m.Tenant, m.Channel
		m.Events = append(m.Events, e)
	}
	return m, nil
}

func appendSized(b, part []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(part))), part...)
}

func cutSized(b []byte) (part, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, false
	}
	return b[w : w+int(n) : w+int(n)], b[w+int(n):], true
}
