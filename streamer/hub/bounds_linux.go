package hub

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// bound sets the bounds on a socket and ignores options that the kernel does not know.
func bound(fd int) {
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLow)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, userTimeout)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

func boundTCP(_ *net.TCPConn, raw syscall.RawConn) {
	if raw != nil {
		raw.Control(func(fd uintptr) { bound(int(fd)) })
	}
}

// outstanding returns the number of bytes in the socket that the other end has not acknowledged.
func outstanding(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// outstandingRaw is outstanding for raw; 0 if raw is nil or closed.
func outstandingRaw(raw syscall.RawConn) (n int) {
	if raw != nil {
		raw.Control(func(fd uintptr) { n = outstanding(int(fd)) })
	}
	return n
}
