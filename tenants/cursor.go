package tenants

import (
	"hash/crc32"
	"strconv"
	"strings"
)

// A cursor is the text of a reader's position. For one channel it is the number of the last event read, in decimal ("0": from
// the start). For several it is a checksum over the channels' names and the positions, and the positions in the order of the
// channels, in base 36, all joined by dots. It is no credential: what may be read is decided when it is read. The checksum
// tells a cursor that was cut, altered or made for other channels from a good one, by accident and not by intent.
const (
	maxCursor   = 1024
	cursorBase  = 36
	cursorCheck = 8 // hex digits
)

// CursorSeed ties the cursors of a request to its channels and their order.
func CursorSeed(channels []string) uint32 {
	var seed uint32
	for _, c := range channels {
		seed = crc32.Update(seed, castagnoli(), []byte(c))
		seed = crc32.Update(seed, castagnoli(), []byte{'\n'})
	}
	return seed
}

// AppendCursor appends the cursor at positions, one for each of the channels that seed was made of.
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
	sum := crc32.Update(seed, castagnoli(), dst[check+cursorCheck:])
	for i := range cursorCheck {
		dst[check+i] = "0123456789abcdef"[sum>>(28-4*i)&0xf]
	}
	return dst
}

// ParseCursor returns the positions that s says for channels. Anything that AppendCursor did not make for them: kind Invalid,
// code invalid_cursor.
func ParseCursor(s string, channels []string) ([]int64, error) {
	invalid := Errorf(Invalid, "invalid_cursor", "the cursor is none of these channels in this order")
	if len(s) > maxCursor || len(channels) == 0 {
		return nil, invalid
	}
	rest, base := "."+s, 10
	if len(channels) > 1 {
		if len(s) < cursorCheck {
			return nil, invalid
		}
		rest, base = s[cursorCheck:], cursorBase
	}
	positions := make([]int64, 0, len(channels))
	for rest != "" {
		if rest[0] != '.' || len(positions) == len(channels) {
			return nil, invalid
		}
		var field string
		if end := strings.IndexByte(rest[1:], '.'); end >= 0 {
			field, rest = rest[1:1+end], rest[1+end:]
		} else {
			field, rest = rest[1:], ""
		}
		p, err := strconv.ParseInt(field, base, 64)
		if err != nil || p < 0 {
			return nil, invalid
		}
		positions = append(positions, p)
	}
	// One text for one cursor: no sign, leading zero or capital.
	if len(positions) != len(channels) || string(AppendCursor(nil, CursorSeed(channels), positions)) != s {
		return nil, invalid
	}
	return positions, nil
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
