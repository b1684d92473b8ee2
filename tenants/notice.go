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

// EncodeNotice returns n in the form that inboxes carry. The events are of n's tenant and channel.
func EncodeNotice(n Notice) []byte {
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

// DecodeNotice is the inverse of EncodeNotice. The events' Data are part of b. What is no notice: kind Internal, code notice_undecodable.
func DecodeNotice(b []byte) (Notice, error) {
	undecodable := Errorf(Internal, "notice_undecodable", "unknown encoding")
	if len(b) > 0 && b[0] == orderEncoding {
		tenant, b, ok := cutSized(b[1:])
		order, b, more := cutSized(b)
		n := Notice{Tenant: TenantID(tenant), Order: new(Order)}
		if !ok || !more || len(b) > 0 || json.Unmarshal(order, n.Order) != nil {
			return Notice{}, undecodable
		}
		return n, nil
	}
	if len(b) == 0 || b[0] != noticeEncoding {
		return Notice{}, undecodable
	}
	tenant, b, ok := cutSized(b[1:])
	channel, b, more := cutSized(b)
	if !ok || !more {
		return Notice{}, undecodable
	}
	n := Notice{Tenant: TenantID(tenant), Channel: string(channel)}
	for len(b) > 0 {
		var encoded []byte
		if encoded, b, ok = cutSized(b); !ok {
			return Notice{}, undecodable
		}
		e, err := DecodeEvent(encoded)
		if err != nil {
			return Notice{}, Errorf(Internal, "notice_undecodable", "%w", err)
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
