package eventstream_test

import (
	"strings"
	"testing"
	"time"
)

// Every example stream of the HTML standard, section 9.2, with its documented events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
func TestDecoderReadsTheExamplesOfTheStandard(t *testing.T) {
	wantEvents(t, []stream{
		{"three messages", "data: This is the first message.\n\ndata: This is the second message, it\ndata: has two " +
			"lines.\n\ndata: This is the third message.\n\n",
			"message|This is the first message.| message|This is the second message, it\nhas two lines.| " +
				"message|This is the third message.|"},
		{"add and remove", "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n",
			"add|73857293| remove|2153| add|113411|"},
		{"stock ticker", "data: YHOO\ndata: +2\ndata: 10\n\n", "message|YHOO\n+2\n10|"},
		{"stock ticker, not yet followed by a blank line", "data: YHOO\ndata: +2\ndata: 10\n", ""},
		{"four blocks", ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
			"message|first event|1 message|second event| message| third event|"},
		{"four blocks, the last without its blank line",
			": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
			"message|first event|1 message|second event|"},
		{"two events of empty lines", "data\n\ndata\ndata\n\ndata:", "message|| message|\n|"},
		{"the last of them with its blank line", "data\n\ndata\ndata\n\ndata:\n\n", "message|| message|\n| message||"},
		{"two identical events", "data:test\n\ndata: test\n\n", "message|test| message|test|"},
	})
}

// answer and bare format a message as eventsource/resources/message.py does: with its usual end, and with newline=none.
func answer(message string) string { return message + "\n\n" + "\n" }
func bare(message string) string   { return message + "\n" }

// lastEventID formats the answer of eventsource/resources/last-event-id.py to a request without an id.
func lastEventID(id string) string { return "id: " + id + "\nretry: 200\ndata: hello\n\n" }

// The streams of web-platform-tests' eventsource/format-*, byte for byte, and eventsource/event-data. Their cases
// about connections, such as format-mime-* and reconnecting, are in package upstream's tests.
func TestDecoderReadsTheFormatsOfWebPlatformTests(t *testing.T) {
	x := strings.Repeat("x", 2*1024)
	wantEvents(t, []stream{
		{"format-bom", answer("\ufeffdata:1\n\n\ufeffdata:2\n\ndata:3"), "message|1| message|3|"},
		{"format-bom-2", answer("\ufeff\ufeffdata:1\n\ndata:2\n\ndata:3"), "message|2| message|3|"},
		{"format-comments", bare("data:1\r:\x00\n:\r\ndata:2\n:" + x + "\rdata:3\n:data:fail\r:" + x + "\ndata:4\n"),
			"message|1\n2\n3\n4|"},
		{"format-data-before-final-empty-line", bare("retry:1000\ndata:test1\n\nid:test\ndata:test2"),
			"message|test1|"},
		{"format-field-data", answer("data:\n\ndata\ndata\n\ndata:test"), "message|| message|\n| message|test|"},
		{"format-field-event", answer("event:test\ndata:x\n\ndata:x"), "test|x| message|x|"},
		{"format-field-event-empty", answer("event: \ndata:data"), "message|data|"},
		{"format-field-id", lastEventID("…"), "message|hello|…"},
		{"format-field-id-3, persists", "id: 1\ndata: 1\n\ndata:2\n\n", "message|1|1 message|2|1"},
		{"format-field-id-3, changes and persists", "id: 1\ndata: 1\n\nid: 2\ndata:2\n\ndata:3\n\n",
			"message|1|1 message|2|2 message|3|2"},
		{"format-field-id-3, resets", "id: 1\ndata: 1\n\nid:\ndata:2\n\ndata:3\n\n",
			"message|1|1 message|2| message|3|"},
		{"format-field-id-null, NUL NUL", lastEventID("\x00\x00"), "message|hello|"},
		{"format-field-id-null, x NUL", lastEventID("x\x00"), "message|hello|"},
		{"format-field-id-null, NUL x", lastEventID("\x00x"), "message|hello|"},
		{"format-field-id-null, x NUL x", lastEventID("x\x00x"), "message|hello|"},
		{"format-field-id-null, space NUL", lastEventID(" \x00"), "message|hello|"},
		{"format-field-parsing",
			bare("data:\x00\ndata:  2\rData:1\ndata\x00:2\ndata:1\r\x00data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n " +
				"data:32\ndata:4\n"), "message|\x00\n 2\n1\n3\n\n4|"},
		{"format-field-retry", answer("retry:03000\ndata:x"), "message|x|"},
		{"format-field-retry-bogus", answer("retry:3000\nretry:1000x\ndata:x"), "message|x|"},
		{"format-field-retry-bogus-2", answer("retry:1000\nretry:5000x\ndata:x"), "message|x|"},
		{"format-field-retry-empty", answer("retry\ndata:test"), "message|test|"},
		{"format-field-unknown",
			answer("data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test"),
			"message|test\n\ntest|"},
		{"format-leading-space", answer("data:\ttest\rdata: \ndata:test"), "message|\ttest\n\ntest|"},
		{"format-newlines", bare("data:test\r\ndata\ndata:test\r\n\r"), "message|test\n\ntest|"},
		{"format-null-character", answer("data:\x00\n\n"), "message|\x00|"},
		{"format-utf-8", answer("data:ok\xe2\x80\xa6"), "message|ok…|"},
		{"event-data", "data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n",
			"message|msg\nmsg| message|| message|end|"},
	})
	for in, want := range map[string]time.Duration{
		answer("retry:03000\ndata:x"): 3 * time.Second, answer("retry:3000\nretry:1000x\ndata:x"): 3 * time.Second,
		answer("retry:1000\nretry:5000x\ndata:x"): time.Second, answer("retry\ndata:test"): 0,
		lastEventID("1"): 200 * time.Millisecond,
	} {
		if _, d := read(t, strings.NewReader(in)); d.Retry() != want {
			t.Errorf("%q: got %v, want %v", in, d.Retry(), want)
		}
	}
}
