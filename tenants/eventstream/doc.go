// Package eventstream reads server-sent events by the WHATWG grammar
// (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream). It is the only parser of
// the project: upstream streams and tests of our own streams use it.
package eventstream
