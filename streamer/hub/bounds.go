package hub

// Bounds on the data that a socket may hold in the kernel, for every sink.
const (
	// SO_SNDBUF: bounds the data for a client that never reads; the kernel doubles it for its own bookkeeping
	sendBuffer = 64 << 10
	unsentLow  = 16 << 10 // TCP_NOTSENT_LOWAT: unsent bytes in the kernel from which on a socket counts as full
	// TCP_USER_TIMEOUT, ms: when the kernel gives up a client that takes nothing, if the hub no longer checks it
	userTimeout = 45_000
)
