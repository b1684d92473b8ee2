package hub

import "net"

// Attach starts the connection on nc, which the hub owns from then on: it closes nc sooner or later, perhaps at once,
// after duplicating its descriptor. Attach does not block. If the connection has lapsed meanwhile, nc is closed.
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
