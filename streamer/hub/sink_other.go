//go:build !linux

package hub

import "net"

// socket returns false: without epoll every connection has a writer.
func (c *Conn) socket(net.Conn) (sink, bool) { return nil, false }

// pollerOnce does nothing here.
type pollerOnce struct{}

func (*pollerOnce) close() {}
