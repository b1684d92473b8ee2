//go:build linux

package streamer

import (
	"io"
	"net"
	"testing"
	"time"
)

// The requests of idle clients.
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
		if _, err := io.ReadFull(c, first); err != nil ||
			string(first) != "HTTP/1.1 200" && string(first) != "HTTP/1.1 101" {
			t.Fatalf("%q %v", first, err)
		}
		conns = append(conns, c)
	}
	return conns
}

// BenchmarkIdleWebSockets measures 5,000 idle WebSockets: the growth of the server's memory (PSS) per connection,
// before and after a collection. streamer/bench measures streams.
//
//	go test -run=NONE -bench=IdleWebSockets -benchtime=1x ./streamer
func BenchmarkIdleWebSockets(b *testing.B) {
	const n = 5000
	for b.Loop() {
		s := startServer(b, 0)
		s.idle(b, 100, askSocket) // one-time costs of the first ones
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
