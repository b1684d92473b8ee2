//go:build linux

package streamer

import (
	"io"
	"net"
	"testing"
	"time"
)

// idle opens n streams that only read their head, and returns once the server serves them all.
func (s *serverProcess) idle(t testing.TB, n int) (conns []net.Conn) {
	t.Helper()
	request := "GET /v1/stream?channel=a" + head + auth(s.key) + "\r\n\r\n"
	first := make([]byte, 16)
	for range n {
		c, err := net.Dial("tcp", s.world.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, first); err != nil || string(first[:15]) != "HTTP/1.1 200 OK" {
			t.Fatalf("%q %v", first, err)
		}
		conns = append(conns, c)
	}
	return conns
}

// BenchmarkIdleStreams weighs 5,000 idle streams: growth of the server's memory (PSS) for each, as it is and after a collection.
//
//	go test -run=NONE -bench=IdleStreams -benchtime=1x ./streamer
func BenchmarkIdleStreams(b *testing.B) {
	const n = 5000
	for b.Loop() {
		s := startServer(b, 0)
		s.idle(b, 100) // what the first ones cost once
		s.say(b, "collect")
		before, few := s.weigh(b)
		s.idle(b, n)
		after, many := s.weigh(b)
		b.ReportMetric(float64(after-before)/n, "B/stream")
		b.ReportMetric(float64(many-few), "goroutines")
		s.say(b, "collect")
		s.say(b, "collect")
		settled, _ := s.weigh(b)
		b.ReportMetric(float64(settled-before)/n, "B/stream-collected")
	}
}
