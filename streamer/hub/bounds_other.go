//go:build !linux

package hub

import (
	"net"
	"syscall"
)

// boundTCP sets what Go can set everywhere.
func boundTCP(tcp *net.TCPConn, _ syscall.RawConn) {
	tcp.SetWriteBuffer(sendBuffer)
	tcp.SetNoDelay(true)
}

// outstandingRaw does not know.
func outstandingRaw(syscall.RawConn) int { return 0 }
