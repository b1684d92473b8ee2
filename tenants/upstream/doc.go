// Package upstream listens to somebody else's event stream, over as many connections as it takes.
//
// A Stream is an EventSource on the server's side (https://html.spec.whatwg.org/multipage/server-sent-events.html): it wants 200 and
// text/event-stream, goes on from Last-Event-ID after a break, waits as long as retry says, and stops at 204. Where an EventSource has no
// bounds it has some: on the time to the first byte, between two bytes and in all, on the size of an event, on how fast it comes back to
// a server that fails. And where an EventSource loses events without a word, because the stream has no ids to go on from, it says so
// (Sink.Gap).
//
// It opens connections through an Opener, which is what keeps it from reaching what it should not, and shows nothing of an answer but
// what its Redact has cut the secrets out of.
package upstream
