package hub

// sink is where a connection's bytes go. Its methods are called with the connection's mutex held, and none waits.
type sink interface {
	// write takes the first n bytes of b. Unless more is true it takes nothing until it has called Conn.ready. It keeps no part of b
	// behind its return.
	write(b []byte) (n int, more bool, err error)
	// start has the sink tell the connection of what happens at the other end: Conn.ready, Conn.left.
	start() error
	// shutdown says that nothing more comes, without harm to what was written. Conn.left follows once the other end has closed, too.
	shutdown()
	// close lets go of the connection at once. It may be called again.
	close()
	// reset is close for who takes nothing: what the other end has not acknowledged is dropped, and it is told at once. A close would wait
	// behind those bytes, and the kernel keep them.
	reset()
	// unsent returns how many bytes that write took the other end has not acknowledged; 0 where that is not known.
	unsent() int
}
