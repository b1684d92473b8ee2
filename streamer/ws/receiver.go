package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

// MaxMessage is the most bytes that a client's message may have, in one frame or in many. A frame that claims more is refused for its
// header: nothing is kept of it or waited for.
const MaxMessage = 16 << 10

// Message is what a client sent: a text, or a control frame.
type Message struct {
	Op   Opcode // Text, Ping, Pong or Close
	Data []byte // good until the function that was given it returns; of Close, its reason
	Code Code   // of Close; 1005: it names none
}

// Receiver takes a client's side of a connection apart, however its bytes arrive. Between frames it holds no memory. The zero value is
// ready; after an error it is of no more use.
type Receiver struct {
	frame []byte // the part that is there of a frame
	text  []byte // the fragments of a message, unmasked
	open  bool   // a message has begun and not ended
}

// Take takes the next bytes, and gives each message that they complete to f, in order; control frames come in between the fragments of
// a message, as they were sent. It returns the first error: f's own, or an *Error.
func (r *Receiver) Take(b []byte, f func(Message) error) error {
	if len(r.frame) > 0 {
		r.frame = append(r.frame, b...)
		b = r.frame
	}
	for len(b) > 0 {
		h, err := r.header(b)
		if err != nil {
			return err
		}
		if h.size == 0 || len(b) < h.size+h.length {
			break
		}
		payload := b[h.size : h.size+h.length]
		if err := r.take(h, payload, f); err != nil {
			return err
		}
		b = b[h.size+h.length:]
	}
	switch {
	case len(b) == 0:
		r.frame = nil
	case len(b) != len(r.frame): // else all of it stays where it is
		r.frame = append([]byte(nil), b...)
	}
	return nil
}

// header is a frame's. What has not arrived is zero.
type header struct {
	fin    bool
	op     Opcode
	size   int // of the header itself; 0: it is not complete
	length int // of the payload
	mask   [4]byte
}

// header reads the header of a masked frame, as far as b goes: what can be refused is refused by the first byte that tells.
func (r *Receiver) header(b []byte) (h header, err error) {
	h.fin, h.op = b[0]&finBit != 0, Opcode(b[0]&0xf)
	switch {
	case b[0]&reservedBit != 0:
		return h, malformed("a reserved bit is set")
	case !h.op.known():
		return h, malformed("an unknown opcode")
	case h.op.control() && !h.fin:
		return h, malformed("a control frame in fragments")
	case h.op == Continuation && !r.open:
		return h, malformed("a fragment of nothing")
	case h.op == Text && r.open, h.op == Binary && r.open:
		return h, malformed("a message within a message")
	case h.op == Binary:
		return h, &Error{Unsupported, "only text is taken"}
	case len(b) < 2:
		return h, nil
	case b[1]&maskBit == 0:
		return h, malformed("a frame without a mask")
	}
	n, at, err := length(b)
	switch {
	case err != nil:
		return h, err
	case h.op.control() && n > maxControl:
		return h, malformed("a control frame over 125 bytes")
	case at == 0:
		return h, nil
	case n > MaxMessage || !h.op.control() && len(r.text)+int(n) > MaxMessage:
		return h, &Error{TooBig, "the message is too long"}
	}
	h.length = int(n)
	if len(b) < at+len(h.mask) {
		return h, nil
	}
	copy(h.mask[:], b[at:])
	h.size = at + len(h.mask)
	return h, nil
}

// length reads a payload's length, and where in b it ends: 0 where it is not complete.
func length(b []byte) (n uint64, end int, err error) {
	n = uint64(b[1] &^ maskBit)
	least := uint64(0)
	switch {
	case n < 126:
		return n, 2, nil
	case n == 126 && len(b) >= 4:
		n, end, least = uint64(binary.BigEndian.Uint16(b[2:])), 4, 126
	case n == 127 && len(b) >= 10:
		n, end, least = binary.BigEndian.Uint64(b[2:]), 10, 1<<16
	}
	switch {
	case n>>63 != 0:
		err = malformed("a length of 64 bits")
	case end > 0 && n < least:
		err = malformed("a length that is not the shortest")
	}
	return n, end, err
}

// take deals with a whole frame.
func (r *Receiver) take(h header, payload []byte, f func(Message) error) error {
	if h.op.control() {
		var few [maxControl]byte
		return control(h.op, unmask(few[:0], payload, h.mask), f)
	}
	r.text = unmask(r.text, payload, h.mask)
	if r.open = !h.fin; r.open {
		return nil
	}
	text := r.text
	r.text = nil
	if !utf8.Valid(text) {
		return &Error{NotUTF8, "text that is no UTF-8"}
	}
	return f(Message{Op: Text, Data: text})
}

func control(op Opcode, payload []byte, f func(Message) error) error {
	m := Message{Op: op, Data: payload}
	if op == Close {
		m.Code = noStatus
		if len(payload) == 1 {
			return malformed("half a code")
		}
		if len(payload) > 0 {
			m.Code, m.Data = Code(binary.BigEndian.Uint16(payload)), payload[2:]
			if !m.Code.sendable() {
				return malformed("a code that may not be sent")
			}
		}
		if !utf8.Valid(m.Data) {
			return &Error{NotUTF8, "a reason that is no UTF-8"}
		}
	}
	return f(m)
}

// unmask appends the payload, unmasked (section 5.3).
func unmask(dst, payload []byte, mask [4]byte) []byte {
	for i, c := range payload {
		dst = append(dst, c^mask[i&3])
	}
	return dst
}
