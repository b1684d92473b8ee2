package hub

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelMemory returns the kernel's memory for the bytes that the hub has sent over the connection:
// SK_MEMINFO_WMEM_QUEUED of sock_diag(7).
func (p *peer) kernelMemory() (bytes int) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	read := func(fd int) {
		var v [9]uint32
		size := uint32(len(v) * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 {
			bytes = int(v[5])
		}
	}
	if w, ok := p.c.sink.(*writer); ok {
		w.raw.Control(func(fd uintptr) { read(int(fd)) })
	} else if p.c.fd >= 0 {
		read(int(p.c.fd))
	}
	return bytes
}

// hearsAnEnd waits until the client's kernel knows that the connection is over, without reading from it.
func (p *peer) hearsAnEnd() (told bool) {
	raw, err := p.tcp.SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		ends := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(ends, 20_000)
		told = err == nil && n == 1
	})
	return told
}

// Twenty clients that never read among a hundred that do: those that read lose nothing, the others are cut and
// counted, and the kernel's memory for them is bounded.
func TestTwentyThatNeverReadAmongAHundred(t *testing.T) {
	const readers, deaf, events = 100, 20, 30
	onSockets(t, Options{UnsentAge: 8 * time.Second, UnsentBytes: 1 << 40}, func(t *testing.T, s *server) {
		t.Parallel()
		var hearing, stuck []*peer
		for range readers {
			p := s.dial(Subscription{}, "", "", "a")
			p.SetDeadline(time.Now().Add(2 * time.Minute)) // a safety net on a busy machine
			p.next()
			hearing = append(hearing, p)
		}
		for range deaf {
			p := s.dial(Subscription{}, "", "", "a")
			p.tcp.SetReadBuffer(4 << 10)
			stuck = append(stuck, p)
		}
		data := strings.Repeat("x", 16<<10)
		turns := make(chan error, 2*readers)
		for _, p := range hearing {
			go func() {
				for i := range events {
					e, err := p.d.Next()
					if err != nil || e.ID != fmt.Sprint(i+1) || len(e.Data) != len(data) {
						turns <- fmt.Errorf("event %d: id %s, %d bytes, %v", i+1, e.ID, len(e.Data), err)
						return
					}
					turns <- nil
				}
			}()
		}
		most := 0
		for range events {
			s.publish("a", data)
			for range readers { // all have it before the next one goes out: a client that reads is never behind
				if err := <-turns; err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range stuck {
				most = max(most, p.kernelMemory())
			}
		}
		for _, p := range stuck {
			p.released()
			if !p.hearsAnEnd() {
				t.Error("a client that was cut has not been told: the kernel keeps what it did not take")
			}
		}
		stats := s.hub.Stats()
		if stats.Ended["stalled"] != deaf || stats.Connections != readers {
			t.Errorf("%v, %d stay", stats.Ended, stats.Connections)
		}
		// SO_SNDBUF is doubled by the kernel, and the last write that fits begins below it.
		if most == 0 || most > 2*sendBuffer+2*unsentLow+writerBytes {
			t.Errorf("the kernel held %d bytes for one", most)
		}
	})
}
