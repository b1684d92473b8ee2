// Package streamer is the HTTP server for streams. Its Fiber app takes a request for a stream, identifies the caller
// and checks their right, takes a slot under the tenant's limits, and hands the bare TCP connection to the hub, so
// that an idle stream costs little more than its socket. The admin API and the webhook intake can be mounted on it,
// which makes it the whole server of a one-box deployment.
//
// The life of a request for a stream:
//
//	listener      accepts it, unless the process is nearly out of descriptors
//	wrap          gives it an id, refuses ambiguous framing, catches panics, writes the access log
//	cors          says which page may read the response
//	stream, poll, websocket, proxyStream
//	              parse the request (parseRequest) and decide about it: see admission.go
//	handOver      takes the connection from fasthttp and gives it to the hub
//
// This package is built around some properties of fasthttp (https://pkg.go.dev/github.com/valyala/fasthttp), each
// named in the file that handles it. Its accept loop ends the process when descriptors run out, and it does not count
// hijacked connections (listener.go). It quotes malformed headers, credentials included, in its errors (answer.go).
// It accepts some requests that RFC 9112 calls ambiguous (framing.go). Its strings change once a handler has returned
// (request.go). A panic in a hijack handler ends the process, and the handler may never run (handover.go).
package streamer
