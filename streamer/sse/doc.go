// Package sse encodes server-sent events as Hookcast sends them
// (https://html.spec.whatwg.org/multipage/server-sent-events.html); package tenants/eventstream reads them.
//
// A payload arrives byte for byte. Data lines can hold neither CR nor bytes that are not valid UTF-8, so that a
// payload with any of these is sent in base64 (RFC 4648 section 4), and its event's name gets the suffix ";base64": a
// listener for "photo;base64" gets the payloads that a listener for "photo" cannot get. In the envelopes a member
// says so instead.
//
// Frames of Hookcast's own have names that begin with "hookcast." and a JSON object as data, in every format.
package sse
