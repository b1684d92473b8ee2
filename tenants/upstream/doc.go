// Package upstream reads an event stream of another server, over as many connections as it takes.
//
// A Stream is a server-side EventSource (https://html.spec.whatwg.org/multipage/server-sent-events.html): it requires
// status 200 and text/event-stream, resumes from Last-Event-ID after a break, waits as long as retry says, and stops
// at 204. Unlike an EventSource it has bounds: on the time to the first byte, between two bytes and in total, on the
// size of an event, and on how fast it reconnects to a failing server. And it reports a possible loss of events
// (Sink.Gap), which happens if the stream has no ids to resume from.
//
// It connects through an Opener, which decides what may be reached, and shows only those parts of an answer from
// which its Redact has removed the secrets.
package upstream
