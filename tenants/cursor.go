package tenants

import (
	"hash/crc32"
	"strconv"
	"strings"
)

// A cursor is the text of a reader's position. For one channel it is the number of the last event read, in decimal ("0"
// for the start). For several it is a checksum, then the positions in the order of the channels, in base 36, all joined
// by dots. The checksum covers the channels' names and the positions. It detects a cursor that was cut or altered by
// accident, or that belongs to other channels. It is not a credential: rights are checked when events are read.
const (
	maxCursor   = 1024
	cursorBase  = 36
	cursorCheck = 8 // hex digits
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CursorSeed returns the checksum of channels, which ties cursors to these channels in this order.
func CursorSeed(channels []string) (seed uint32) {
	for _, c := range channels {
		seed = crc32.Update(seed, castagnoli, []byte(c))
		seed = crc32.Update(seed, castagnoli, []byte{'\n'})
	}
	return seed
}

// AppendCursor appends to dst the cursor at positions, one for each of the channels from which seed was made.
func AppendCursor(dst []byte, seed uint32, positions []int64) []byte {
	if len(positions) == 1 {
		return strconv.AppendInt(dst, positions[0], 10)
	}
	check := len(dst)
	dst = append(dst, "00000000"...)
	for _, p := range positions {
		dst = append(dst, '.')
		dst = strconv.AppendInt(dst, p, cursorBase)
	}
	sum := crc32.Update(seed, castagnoli, dst[check+cursorCheck:])
	for i := range cursorCheck {
		dst[check+i] = "0123456789abcdef"[sum>>(28-4*i)&0xf]
	}
	return dst
}

// ParseCursor returns the positions of the cursor s, one for each of channels. Text that AppendCursor did not make for
// these channels: Invalid invalid_cursor.
func ParseCursor(s string, channels []string) ([]int64, error) {
	invalid := Errorf(Invalid, "invalid_cursor", "the cursor must belong to these channels in this order")
	if len(s) > maxCursor || len(channels) == 0 {
		return nil, invalid
	}
	fields, base := strings.Split(s, "."), 10
	if len(channels) > 1 {
		fields, base = fields[1:], cursorBase // the last comparison covers the checksum
	}
	if len(fields) != len(channels) {
		return nil, invalid
	}
	positions := make([]int64, len(fields))
	for i, field := range fields {
		p, err := strconv.ParseInt(field, base, 64)
		if err != nil || p < 0 {
			return nil, invalid
		}
		positions[i] = p
	}
	// Each cursor has one text: without signs, leading zeros and capitals.
	if string(AppendCursor(nil, CursorSeed(channels), positions)) != s {
		return nil, invalid
	}
	return positions, nil
}
