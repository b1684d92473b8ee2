package hub

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketSink is the sink of a TCP connection that the hub polls. It holds a descriptor and nothing else.
type socketSink struct{ c *Conn }

// socket takes over nc's descriptor, if nc is a bare TCP connection. The descriptor is a duplicate, so that neither
// Go's poller nor a net.Conn is kept for it.
func (c *Conn) socket(nc net.Conn) (sink, bool) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, false
	}
	fd := -1
	var failed error
	err = raw.Control(func(from uintptr) {
		if fd, failed = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0); failed != nil {
			return
		}
		bound(fd)
	})
	if err != nil || failed != nil {
		return nil, false
	}
	tcp.Close()
	c.fd = int32(fd)
	return socketSink{c}, true
}

func (s socketSink) start() error {
	p, err := s.c.hub.poller.get(s.c.hub)
	if err != nil {
		return err
	}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, int(s.c.fd), &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(s.c.slot.index), Pad: int32(s.c.slot.generation),
	})
}

// write is the hub's hottest code. The system call never blocks, so the scheduler is not informed of it.
func (s socketSink) write(b []byte) (n int, more bool, err error) {
	if len(b) == 0 {
		return 0, true, nil
	}
	for {
		r, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(s.c.fd), uintptr(unsafe.Pointer(&b[0])),
			uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(r), int(r) == len(b), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, false, nil
		default:
			return 0, false, errno
		}
	}
}

// discardMax is the number of bytes read from a connection before it is closed: with unread input the kernel would
// send a reset, which can destroy bytes on their way to the client.
const discardMax = 4 << 10

func (s socketSink) shutdown() {
	var b [discardMax]byte
	unix.Read(int(s.c.fd), b[:])
	unix.Shutdown(int(s.c.fd), unix.SHUT_WR)
}

func (s socketSink) close() {
	if s.c.fd < 0 {
		return
	}
	if p, err := s.c.hub.poller.get(s.c.hub); err == nil {
		unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(s.c.fd), nil)
	}
	unix.Close(int(s.c.fd))
	s.c.fd = -1
}

func (s socketSink) reset() {
	if s.c.fd >= 0 {
		unix.SetsockoptLinger(int(s.c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	s.close()
}

func (s socketSink) unsent() int {
	return outstanding(int(s.c.fd))
}

// poller watches the sockets of a hub for input, for the other end's close and for room to write.
type poller struct {
	hub  *Hub
	fd   int
	file *os.File // of fd, so that waiting uses Go's poller and holds no thread
}

// pollerOnce creates the poller for the first socket.
type pollerOnce struct {
	once sync.Once
	p    *poller
	err  error
}

func (o *pollerOnce) get(h *Hub) (*poller, error) {
	o.once.Do(func() {
		var fd int
		if fd, o.err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); o.err != nil {
			return
		}
		unix.SetNonblock(fd, true)
		o.p = &poller{h, fd, os.NewFile(uintptr(fd), "epoll")}
		h.wg.Go(o.p.watch)
	})
	return o.p, o.err
}

func (o *pollerOnce) close() {
	o.once.Do(func() { o.err = net.ErrClosed })
	if o.p != nil {
		o.p.file.Close()
	}
}

func (p *poller) watch() {
	raw, err := p.file.SyscallConn()
	if err != nil {
		p.hub.logRetry("watching sockets", err)
		return
	}
	events := make([]unix.EpollEvent, 256)
	buf := make([]byte, discardMax)
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events, 0)
			return n > 0
		})
		if err != nil {
			return // closed
		}
		for i := range events[:n] {
			p.happened(&events[i], buf)
		}
	}
}

func (p *poller) happened(ev *unix.EpollEvent, buf []byte) {
	at := slot{uint32(ev.Fd), uint32(ev.Pad)}
	c := p.hub.slots.get(at)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		for c.fd >= 0 {
			n, err := unix.Read(int(c.fd), buf)
			if n > 0 {
				c.receive(buf[:n])
			} else if err == nil || !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
				c.left()
			} else if errors.Is(err, unix.EAGAIN) {
				break
			}
		}
		if ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			c.left()
		}
	}
	if ev.Events&unix.EPOLLOUT != 0 {
		c.ready()
	}
}
