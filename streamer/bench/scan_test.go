//go:build linux

package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

func TestScannerFindsEventsHoweverTheyAreCut(t *testing.T) {
	var stream []byte
	stream = append(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nretry: 1200\nid: 7\n\n"...)
	for n := range 5 {
		data := mark{sent: int64(1000 + n), channel: 3, number: n}.appendData(nil, 64)
		if len(data) != 64 {
			t.Fatalf("%d bytes: %s", len(data), data)
		}
		stream = append(stream, fmt.Sprintf("\r\n60\r\nevent: bench\ndata: %s\nid: %d\n\n", data, 8+n)...)
	}
	for piece := 1; piece < len(stream); piece++ {
		var s scanner
		var got []mark
		last, retry := "", ""
		for rest := stream; len(rest) > 0; {
			n := min(piece, len(rest))
			s.feed(rest[:n], func(block []byte) {
				if m, ok := markOf(block); ok {
					got = append(got, m)
				}
				if id := field(block, "id"); id != nil {
					last = string(id)
				}
				if ms := field(block, "retry"); ms != nil {
					retry = string(ms)
				}
			})
			rest = rest[n:]
		}
		if len(got) != 5 || got[4] != (mark{1004, 3, 4}) || last != "12" || retry != "1200" || len(s.rest) > 0 {
			t.Fatalf("in pieces of %d: %v, id %q, retry %q, %q is left", piece, got, last, retry, s.rest)
		}
	}
}

func TestHistogramIsWithinTwoPercent(t *testing.T) {
	var h histogram
	for ms := range 1000 {
		h.add(int64(ms+1) * int64(time.Millisecond))
	}
	for q, want := range map[float64]time.Duration{0: time.Millisecond, .5: 500 * time.Millisecond,
		.99: 990 * time.Millisecond} {
		if got := h.quantile(q); got < want || got > want*102/100+2*time.Millisecond {
			t.Errorf("quantile %v is %v, not some %v", q, got, want)
		}
	}
}

func TestReportPrintsMedians(t *testing.T) {
	b := &bench{}
	for _, x := range []float64{3, 1, 2} {
		b.report.add("a", "x", x)
	}
	b.report.add("b", "y", 1234)
	b.within("a is small", b.report.median("a", "x"), 2)
	b.within("nobody knows", b.report.median("c", "x"), 1)
	var out bytes.Buffer
	want := "| | x | y |\n|---|---|---|\n| a | 2.00 (1.00-3.00) | |\n| b | | 1234 |\n\nholds: a is small\n"
	b.report.print(&out)
	if out.String() != want || b.failed {
		t.Errorf("%s", out.String())
	}
	if b.within("a is smaller", b.report.median("a", "x"), 1); !b.failed {
		t.Error("what does not hold fails nothing")
	}
}
