// Package ndjson is the wire format of streams that carry one JSON object per line
// (https://github.com/ndjson/ndjson-spec), with or without the chunks of HTTP/1.1 (RFC 9112 section 7.1).
//
// An event's line is the event as lists and polls show it, with the cursor after it:
//
//	{"id":"evt_…","seq":7,"channel":"orders","type":"paid","data":{…},"time":"…","cursor":"7"}
//
// A line of Hookcast's own has a type that begins with "hookcast.", which no event's type does, the members that
// package sse names for it, and "cursor" and "retry_ms" if they are set:
//
//	{"type":"hookcast.gap","channel":"orders","from":3,"to":5,"cursor":"5"}
package ndjson
