//go:build linux

package main

import (
	"bytes"
	"strconv"
)

// mark identifies an event of the benchmark, at the beginning of its data: `{"m":"<sent>-<channel>-<number>"…`.
type mark struct {
	sent    int64 // ns on the fleet's clock
	channel int
	number  int // from 0 within the channel; warmUp: not counted
}

const warmUp = 1 << 30

// appendData appends an event's data, a JSON object of size bytes.
func (m mark) appendData(dst []byte, size int) []byte {
	start := len(dst)
	dst = append(dst, `{"m":"`...)
	dst = strconv.AppendInt(dst, m.sent, 10)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, int64(m.channel), 10)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, int64(m.number), 10)
	dst = append(dst, `","pad":"`...)
	for len(dst)-start < size-2 {
		dst = append(dst, 'x')
	}
	return append(dst, `"}`...)
}

// scanner splits a stream into events. Bytes that HTTP puts between them (a head, chunk sizes) become part of an
// event and are ignored: only lines count.
type scanner struct {
	rest []byte // the beginning of an incomplete event
}

// feed calls event with each event that b completes, without its blank line. The bytes are valid until event returns.
func (s *scanner) feed(b []byte, event func(block []byte)) {
	if len(s.rest) > 0 {
		s.rest = append(s.rest, b...)
		b = s.rest
	}
	for {
		end := bytes.Index(b, []byte("\n\n"))
		if end < 0 {
			break
		}
		event(b[:end])
		b = b[end+2:]
	}
	s.rest = append(s.rest[:0], b...)
	if len(s.rest) == 0 {
		s.rest = nil // idle connections hold no memory here
	}
}

// markOf finds an event's mark.
func markOf(block []byte) (m mark, ok bool) {
	_, b, found := bytes.Cut(block, []byte(`{"m":"`))
	if !found {
		return m, false
	}
	var n [3]int64
	for i := range n {
		end := bytes.IndexAny(b, `-"`)
		if end < 0 {
			return m, false
		}
		v, err := strconv.ParseInt(string(b[:end]), 10, 64)
		if err != nil {
			return m, false
		}
		n[i], b = v, b[end+1:]
	}
	return mark{n[0], int(n[1]), int(n[2])}, true
}

// field returns the value of an event's first line with that name; nil if there is none.
func field(block []byte, name string) []byte {
	for line := range bytes.SplitSeq(block, []byte("\n")) {
		if v, ok := bytes.CutPrefix(line, []byte(name)); ok && len(v) > 0 && v[0] == ':' {
			return bytes.TrimSpace(v[1:])
		}
	}
	return nil
}
