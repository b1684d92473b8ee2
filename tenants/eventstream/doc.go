// Package eventstream reads server-sent events by the grammar of the WHATWG
// (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream). It is the one parser of the project: what
// comes from somebody else's stream is read by it, and tests read our own streams with it.
package eventstream
