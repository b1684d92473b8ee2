//go:build !linux

package hub

import (
	"net"
	"syscall"
)

// boundTCP sets the bounds that Go can set on every system.
func boundTCP(tcp *net.TCPConn, _ syscall.RawConn) {
	tcp.SetWriteBuffer(sendBuffer)
	tcp.SetNoDelay(true)
}

// outstandingRaw returns 0: the number is unknown here.
func outstandingRaw(syscall.RawConn) int { return 0 }
