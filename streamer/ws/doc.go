// Package ws implements the WebSocket protocol (RFC 6455) as far as a server of streams needs it: the handshake's
// rules, frames to the client, and a Receiver that parses a client's bytes. It knows no sockets. There are no
// extensions: a frame with a reserved bit is refused.
//
// A server's message is one JSON object, as package ndjson encodes it. An event's message has two fragments: the
// first is the same for every subscriber of a channel, the second has the connection's cursor.
//
// The end of a stream is reported twice: by a message, as on every transport, and by the close frame's code and its
// reason, which is the message's type.
//
//	1000  hookcast.ended
//	1001  hookcast.goodbye: another node serves on
//	1008  hookcast.quota, hookcast.denied, hookcast.expired
//
// A client that breaks the protocol's rules gets 1002, 1003, 1007, 1008 or 1009 and a reason.
package ws
