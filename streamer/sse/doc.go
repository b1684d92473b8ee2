// Package sse is the wire format of server-sent events as we send them
// (https://html.spec.whatwg.org/multipage/server-sent-events.html); package tenants/eventstream reads them.
//
// A payload goes out byte for byte. Lines of data can hold neither CR nor bytes that are no UTF-8, so a payload with any of
// these goes as its base64 (RFC 4648 section 4), and the event's name says so by the suffix ";base64": a listener for
// "photo;base64" gets what a listener for "photo" cannot. In the envelopes a member says it instead.
//
// Frames of Hookcast's own have names that begin with "hookcast." and a JSON object as data, in every format.
package sse
