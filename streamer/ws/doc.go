// Package ws is the WebSocket protocol (RFC 6455) as a server of streams needs it: the handshake's rules, frames out, and a Receiver
// that takes a client's bytes apart. It knows no sockets. There are no extensions: a frame with a reserved bit is refused.
//
// What a server says is one JSON object a message, as package ndjson has them. An event's message comes in two fragments: the first
// is the same for every subscriber of a channel, the second has the connection's cursor.
//
// What ends a stream is said twice: by a message, as on every transport, and by the close frame's code and its reason, which is
// the message's type.
//
//	1000  hookcast.ended
//	1001  hookcast.goodbye: another node serves on
//	1008  hookcast.quota, hookcast.denied, hookcast.expired
//
// A client that breaks the protocol's rules is told by 1002, 1003, 1007, 1008 or 1009, and a word on what was wrong.
package ws
