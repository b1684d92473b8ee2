package tenants

import (
	"encoding/binary"
	"encoding/json"
)

// An encoded notice is a version byte, the tenant, the channel, and each event as EncodeEvent has it, all of these with their length
// before them as uvarint. Its events leave tenant and channel out. One with an order has a version of its own: the tenant, and the
// order as JSON.
const (
	noticeEncoding = 1
	orderEncoding  = 2
)

// EncodeInboxMessage returns n in the form that inboxes carry. The events are of n's tenant and channel.
func EncodeInboxMessage(n InboxMessage) []byte {
	if n.Order != nil {
		order, err := json.Marshal(n.Order)
		if err != nil {
			panic("tenants: an order's fields always marshal: " + err.Error())
		}
		return appendSized(appendSized([]byte{orderEncoding}, []byte(n.Tenant)), order)
	}
	b := []byte{noticeEncoding}
	b = appendSized(b, []byte(n.Tenant))
	b = appendSized(b, []byte(n.Channel))
	for _, e := range n.Events {
		e.Tenant, e.Channel = "", ""
		b = appendSized(b, EncodeEvent(e))
	}
	return b
}

// DecodeInboxMessage is the inverse of EncodeInboxMessage. The events' Data are part of b. What is no notice: kind Internal, code notice_undecodable.
func DecodeInboxMessage(b []byte) (InboxMessage, error) {
	undecodable := Errorf(Internal, "notice_undecodable", "unknown encoding")
	if len(b) > 0 && b[0] == orderEncoding {
		tenant, b, ok := cutSized(b[1:])
		order, b, more := cutSized(b)
		n := InboxMessage{Tenant: TenantID(tenant), Order: new(Order)}
		if !ok || !more || len(b) > 0 || json.Unmarshal(order, n.Order) != nil {
			return InboxMessage{}, undecodable
		}
		return n, nil
	}
	if len(b) == 0 || b[0] != noticeEncoding {
		return InboxMessage{}, undecodable
	}
	tenant, b, ok := cutSized(b[1:])
	channel, b, more := cutSized(b)
	if !ok || !more {
		return InboxMessage{}, undecodable
	}
	n := InboxMessage{Tenant: TenantID(tenant), Channel: string(channel)}
	for len(b) > 0 {
		var encoded []byte
		if encoded, b, ok = cutSized(b); !ok {
			return InboxMessage{}, undecodable
		}
		e, err := DecodeEvent(encoded)
		if err != nil {
			return InboxMessage{}, Errorf(Internal, "notice_undecodable", "%w", err)
		}
		e.Tenant, e.Channel = n.Tenant, n.Channel
		n.Events = append(n.Events, e)
	}
	return n, nil
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
