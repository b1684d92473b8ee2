package hub

// sink writes a connection's bytes. Its methods are called with the connection's mutex held, and none blocks.
type sink interface {
	// write takes the first n bytes of b. Unless more is true, it takes nothing until it has called Conn.ready. It
	// keeps no part of b after it returns.
	write(b []byte) (n int, more bool, err error)
	// start makes the sink report events of the other end: Conn.ready, Conn.left.
	start() error
	// shutdown says that nothing more follows; written bytes are still sent. Conn.left follows once the other end has
	// closed, too.
	shutdown()
	// close closes the connection at once. It may be called again.
	close()
	// reset closes the connection of a client that takes nothing: unacknowledged bytes are dropped and the other end
	// is told at once. A close would wait for these bytes, and the kernel would keep them.
	reset()
	// unsent returns how many written bytes the other end has not acknowledged; 0 if that is unknown.
	unsent() int
}
