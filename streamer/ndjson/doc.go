// Package ndjson is the wire format of streams that carry one JSON object a line (https://github.com/ndjson/ndjson-spec), alone or in
// the chunks of HTTP/1.1 (RFC 9112 section 7.1).
//
// An event's line is what lists and polls show of it, and the cursor behind it:
//
//	{"id":"evt_…","seq":7,"channel":"orders","type":"paid","data":{…},"time":"…","cursor":"7"}
//
// A line of Hookcast's own has a type that begins with "hookcast.", which no event's does, the members that sse names for it,
// and where there are such "cursor" and "retry_ms":
//
//	{"type":"hookcast.gap","channel":"orders","from":3,"to":5,"cursor":"5"}
package ndjson
