//go:build !linux

package hub

import "net"

// socket takes nothing over: without epoll every connection has a writer.
func (c *Conn) socket(net.Conn) (sink, bool) { return nil, false }

// pollerOnce is nothing here.
type pollerOnce struct{}

func (*pollerOnce) close() {}
