// Package streamer is the tier where browsers live: a Fiber app that takes a request for a stream, finds out who asks and what they
// may hear, takes a slot under the tenant's limits, and then hands the bare TCP connection to the hub, so that an idle stream
// costs about what its socket costs. The admin API and the webhook intake can be mounted on it, which makes it the whole of a
// one-box deployment.
//
// The life of a request for a stream:
//
//	listener      accepts it, unless the process is nearly out of descriptors
//	around        gives it an id, refuses what is framed in two ways, catches panics, writes the access log
//	cors          says which page may read the answer
//	stream, poll, websocket
//	              read what is asked for (ask), who asks (identify), take a slot (subscribe)
//	handOver      takes the connection out of fasthttp's hands; from here on it is the hub's
//
// fasthttp (https://pkg.go.dev/github.com/valyala/fasthttp) has edges that this package is built around; each is named where it
// is dealt with: its accept loop ends the process when descriptors run out and counts no connection that was taken over (listener.go);
// it quotes malformed headers, credentials included, in its errors (answer.go); it takes some requests that RFC 9112 calls
// ambiguous (framing.go); its strings change once a handler has returned (ask.go); a panic in a hijack handler ends the process, and
// the handler may never run (handover.go).
package streamer
