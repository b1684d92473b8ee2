package hub

// What a socket may hide of a client in the kernel, whatever its sink.
const (
	sendBuffer  = 64 << 10 // a client that never reads is to hide no more in the kernel (which doubles the figure for its own book-keeping)
	unsentLow   = 16 << 10 // TCP_NOTSENT_LOWAT: what lies unsent in the kernel before a socket counts as full
	userTimeout = 45_000   // TCP_USER_TIMEOUT, ms: when the kernel gives a client up that takes nothing, for which nobody else looks any more
)
