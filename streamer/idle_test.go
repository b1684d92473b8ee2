//go:build linux

package streamer

import (
	"io"
	"net"
	"testing"
	"time"
)

// What an idle client asks for.
const (
	askStream = "GET /v1/stream?channel=a" + head
	askSocket = "GET /v1/ws?channel=a" + head + upgrade
)

// idle opens n streams that only read their head, and returns once the server serves them all.
func (s *serverProcess) idle(t testing.TB, n int, ask string) (conns []net.Conn) {
	t.Helper()
	request := ask + auth(s.key) + "\r\n\r\n"
	first := make([]byte, 12)
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
		if _, err := io.ReadFull(c, first); err != nil || string(first) != "HTTP/1.1 200" && string(first) != "HTTP/1.1 101" {
			t.Fatalf("%q %v", first, err)
		}
		conns = append(conns, c)
	}
	return conns
}

// BenchmarkIdleWebSockets weighs 5,000 idle WebSockets: growth of the server's memory (PSS) for each, as it is and after a collection.
// Streams are weighed by streamer/bench.
//
//	go test -run=NONE -bench=IdleWebSockets -benchtime=1x ./streamer
func BenchmarkIdleWebSockets(b *testing.B) {
	const n = 5000
	for b.Loop() {
		s := startServer(b, 0)
		s.idle(b, 100, askSocket) // what the first ones cost once
		s.say(b, "collect")
		before, few := s.weigh(b)
		s.idle(b, n, askSocket)
		after, many := s.weigh(b)
		b.ReportMetric(float64(after-before)/n, "B/socket")
		b.ReportMetric(float64(many-few), "goroutines")
		s.say(b, "collect")
		s.say(b, "collect")
		settled, _ := s.weigh(b)
		b.ReportMetric(float64(settled-before)/n, "B/socket-collected")
	}
}
