package hub

import (
	"testing"

	"golang.org/x/sys/unix"
)

// The kernel's buffer for a client that reads nothing is invisible to the hub's bounds, and a client that vanished
// would hold its place for a quarter of an hour.
func TestASocketHidesLittleAndAVanishedClientIsGivenUpIn45Seconds(t *testing.T) {
	onSockets(t, Options{}, func(t *testing.T, s *server) {
		p := s.dial(Subscription{}, "", "", "a")
		p.c.mu.Lock()
		fd := int(p.c.fd)
		w, writes := p.c.sink.(*writer)
		p.c.mu.Unlock()
		if writes != (s.hub.o.Goroutines || s.tls != nil) || writes != (fd < 0) {
			t.Fatal("another sink than was asked for")
		}
		if writes {
			if err := w.raw.Control(func(of uintptr) { fd = int(of) }); err != nil {
				t.Fatal(err)
			}
		}
		for name, option := range map[string]struct{ level, option, least, most int }{
			"SO_SNDBUF":         {unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer, 2 * sendBuffer},
			"TCP_NOTSENT_LOWAT": {unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLow, unsentLow},
			"TCP_USER_TIMEOUT":  {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 45_000, 45_000},
			"TCP_NODELAY":       {unix.IPPROTO_TCP, unix.TCP_NODELAY, 1, 1},
		} {
			if got, err := unix.GetsockoptInt(fd, option.level, option.option); err != nil || got < option.least ||
				got > option.most {
				t.Errorf("%s is %d, %v; want %d to %d", name, got, err, option.least, option.most)
			}
		}
	})
}
