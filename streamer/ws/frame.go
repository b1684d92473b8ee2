package ws

import "encoding/binary"

// Opcode is the type of a frame (RFC 6455 section 5.2).
type Opcode byte

// The defined opcodes.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xa
)

func (o Opcode) control() bool { return o >= Close }

func (o Opcode) known() bool { return o <= Binary || Close <= o && o <= Pong }

const (
	finBit      = 0x80
	reservedBit = 0x70
	maskBit     = 0x80
	// maxControl is the maximum payload of a control frame (section 5.5).
	maxControl = 125
)

// appendHeader appends the header of an unmasked frame of n bytes.
func appendHeader(dst []byte, fin bool, op Opcode, n int) []byte {
	first := byte(op)
	if fin {
		first |= finBit
	}
	switch {
	case n <= maxControl:
		return append(dst, first, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, 127), uint64(n))
}

// AppendFrame appends a whole message in one unmasked frame.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	return append(appendHeader(dst, true, op, len(payload)), payload...)
}

// AppendClose appends a close frame. A reason that is too long is cut; reasons here are ASCII.
func AppendClose(dst []byte, code Code, reason string) []byte {
	reason = reason[:min(len(reason), maxControl-2)]
	dst = appendHeader(dst, true, Close, 2+len(reason))
	return append(binary.BigEndian.AppendUint16(dst, uint16(code)), reason...)
}
