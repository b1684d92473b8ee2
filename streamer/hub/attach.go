package hub

import "net"

// Attach brings the connection to life on nc, which is the hub's from here on: it closes nc sooner or later, perhaps at once,
// keeping the connection under a descriptor of its own. It returns at once. A connection that has lapsed meanwhile is closed.
func (c *Conn) Attach(nc net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != prepared {
		nc.Close()
		return
	}
	if !c.hub.o.Goroutines {
		if s, ok := c.socket(nc); ok {
			c.serve(s)
			return
		}
	}
	c.serve(newWriter(c, nc))
}
