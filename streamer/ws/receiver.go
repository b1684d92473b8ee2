package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

// MaxMessage is the maximum number of bytes in a client's message, in one frame or several. A frame that announces
// more is refused by its header alone.
const MaxMessage = 16 << 10

// Message is a client's message: a text or a control frame.
type Message struct {
	Op   Opcode // Text, Ping, Pong or Close
	Data []byte // valid until the function that gets it returns; of Close, its reason
	Code Code   // of Close; 1005: it has none
}

// Receiver parses a client's side of a connection, however its bytes arrive. Between frames it holds no memory. The
// zero value is ready; after an error it must not be used.
type Receiver struct {
	frame []byte // the part of a frame that has arrived
	text  []byte // the fragments of a message, unmasked
	open  bool   // a message has begun and not ended
}

// Take parses the next bytes and calls f for each message that they complete, in order; control frames may come
// between the fragments of a message. It returns the first error: f's own, or an *Error.
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
	case len(b) != len(r.frame): // otherwise all of it stays where it is
		r.frame = append([]byte(nil), b...)
	}
	return nil
}

// header is a frame's header. Fields that have not arrived are zero.
type header struct {
	fin    bool
	op     Opcode
	size   int // of the header itself; 0: it is incomplete
	length int // of the payload
	mask   [4]byte
}

// header reads the header of a masked frame as far as b goes, and refuses it at the first byte that allows that.
func (r *Receiver) header(b []byte) (h header, err error) {
	h.fin, h.op = b[0]&finBit != 0, Opcode(b[0]&0xf)
	switch {
	case b[0]&reservedBit != 0:
		return h, malformed("a reserved bit is set")
	case !h.op.known():
		return h, malformed("the opcode is unknown")
	case h.op.control() && !h.fin:
		return h, malformed("a control frame is fragmented")
	case h.op == Continuation && !r.open:
		return h, malformed("a continuation frame without a message")
	case h.op == Text && r.open, h.op == Binary && r.open:
		return h, malformed("a message begins within another message")
	case h.op == Binary:
		return h, &Error{Unsupported, "messages must be text"}
	case len(b) < 2:
		return h, nil
	case b[1]&maskBit == 0:
		return h, malformed("a frame has no mask")
	}
	n, at, err := length(b)
	switch {
	case err != nil:
		return h, err
	case h.op.control() && n > maxControl:
		return h, malformed("a control frame has more than 125 bytes")
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

// length reads a payload's length and returns where in b it ends; 0 if it is incomplete.
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
		err = malformed("a length exceeds 63 bits")
	case end > 0 && n < least:
		err = malformed("a length is not encoded in the fewest bytes")
	}
	return n, end, err
}

// take handles a whole frame.
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
		return &Error{NotUTF8, "the text is not valid UTF-8"}
	}
	return f(Message{Op: Text, Data: text})
}

func control(op Opcode, payload []byte, f func(Message) error) error {
	m := Message{Op: op, Data: payload}
	if op == Close {
		m.Code = noStatus
		if len(payload) == 1 {
			return malformed("the close code is incomplete")
		}
		if len(payload) > 0 {
			m.Code, m.Data = Code(binary.BigEndian.Uint16(payload)), payload[2:]
			if !m.Code.sendable() {
				return malformed("the close code must not be sent")
			}
		}
		if !utf8.Valid(m.Data) {
			return &Error{NotUTF8, "the reason is not valid UTF-8"}
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
