package sse_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
)

func decode(t *testing.T, r io.Reader) (events []sse.Event, d *sse.Decoder) {
	t.Helper()
	d = sse.NewDecoder(r, 1<<20)
	for {
		e, err := d.Next()
		if err == io.EOF {
			return events, d
		}
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
}

func TestDecoderByTheGrammar(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{ // want: name|data|id for each event
		{"one line", "data: a\n\n", "message|a|"},
		{"the standard's stock ticker", "data: YHOO\ndata: +2\ndata: 10\n\n", "message|YHOO\n+2\n10|"},
		{"the standard's ids, the last reset", ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n", "message|first event|1 message|second event| message| third event|"},
		{"the standard's empty lines of data", "data\n\ndata\ndata\n\ndata:\n", "message|| message|\n|"},
		{"the standard's one optional space", "data:test\n\ndata: test\n\n", "message|test| message|test|"},
		{"CR", "data: a\rdata: b\r\r", "message|a\nb|"},
		{"CR LF", "data: a\r\ndata: b\r\n\r\n", "message|a\nb|"},
		{"all three", "data: a\rdata: b\ndata: c\r\n\r", "message|a\nb\nc|"},
		{"LF CR is two ends", "data: a\n\rdata: b\n\n", "message|a| message|b|"},
		{"BOM", "\ufeffdata: a\n\n", "message|a|"},
		{"a second BOM is part of the field's name", "\ufeff\ufeffdata: a\n\ndata: b\n\n", "message|b|"},
		{"NUL in an id", "id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n", "message|a|1 message|b|1"},
		{"NUL in data", "data: a\x00b\n\n", "message|a\x00b|"},
		{"comments and unknown fields", ": x\nfoo: bar\n data: no\nDATA: no\ndata: a\n\n", "message|a|"},
		{"a name without data is dropped", "event: x\n\ndata: a\n\n", "message|a|"},
		{"a name", "event: x\ndata: a\n\ndata: b\n\n", "x|a| message|b|"},
		{"an id without data stays", "id: 7\n\ndata: a\n\n", "message|a|7"},
		{"the end cuts off", "data: a\n\ndata: b\n", "message|a|"},
		{"bytes that are no UTF-8", "data: a\xffb\n\n", "message|a\ufffdb|"},
	} {
		for _, way := range []struct {
			name string
			r    func(io.Reader) io.Reader
		}{{"at once", func(r io.Reader) io.Reader { return r }}, {"byte by byte", iotest.OneByteReader}} {
			t.Run(c.name+", "+way.name, func(t *testing.T) {
				var got []string
				events, _ := decode(t, way.r(strings.NewReader(c.in)))
				for _, e := range events {
					got = append(got, e.Name+"|"+string(e.Data)+"|"+e.ID)
				}
				if s := strings.Join(got, " "); s != c.want {
					t.Errorf("got %q, want %q", s, c.want)
				}
			})
		}
	}
}

func TestDecoderRetry(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"retry: 1500\n\n":                     1500 * time.Millisecond,
		"retry: 1500\nretry: -1\n\n":          1500 * time.Millisecond,
		"retry: 1e3\n\n":                      0,
		"retry:\n\n":                          0,
		"retry: 99999999999999999999999999\n": 24 * time.Hour,
	} {
		if _, d := decode(t, strings.NewReader(in)); d.Retry() != want {
			t.Errorf("%q: %v, want %v", in, d.Retry(), want)
		}
	}
}

// A CR ends the line, so that an event is there before whatever comes behind its last CR.
func TestDecoderDoesNotWaitBehindCR(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	go w.Write([]byte("data: a\r\r"))
	if e, err := sse.NewDecoder(r, 100).Next(); err != nil || string(e.Data) != "a" {
		t.Fatalf("%q, %v", e.Data, err)
	}
}

func TestDecoderBounds(t *testing.T) {
	for name, in := range map[string]string{
		"one line":   "data: " + strings.Repeat("a", 101) + "\n\n",
		"many lines": strings.Repeat("data: a\n", 101),
		"a comment":  ":" + strings.Repeat("a", 101),
	} {
		if _, err := sse.NewDecoder(strings.NewReader(in), 100).Next(); !errors.Is(err, sse.ErrTooLong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFrames(t *testing.T) {
	e := &tenants.Event{ID: "evt_1", Seq: 3, Channel: "a", Type: "push", Data: []byte("1\n2"), Time: time.Unix(0, 0)}
	bin := &tenants.Event{Data: []byte("a\r\nb")}
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"data", sse.Data.AppendEvent(nil, e), "event: push\ndata: 1\ndata: 2\n"},
		{"data without a type", sse.Data.AppendEvent(nil, &tenants.Event{Data: []byte("x")}), "data: x\n"},
		{"CR goes as base64", sse.Data.AppendEvent(nil, bin), "event: message;base64\ndata: YQ0KYg==\n"},
		{"a type that looks like base64", sse.Data.AppendEvent(nil, &tenants.Event{Type: "x;base64", Data: []byte("a")}), "event: x;base64;base64\ndata: YQ==\n"},
		{"a type cannot make lines", sse.Data.AppendEvent(nil, &tenants.Event{Type: "x\ndata: y\r\x00", Data: []byte("a")}), "event: x?data: y??\ndata: a\n"},
		{"envelope", sse.Envelope.AppendEvent(nil, e), "data: {\"id\":\"evt_1\",\"seq\":3,\"channel\":\"a\",\"type\":\"push\",\"data\":\"1\\n2\",\"time\":\"1970-01-01T00:00:00Z\"}\n"},
		{"end", sse.Data.AppendEnd(nil, []byte("3")), "id: 3\n\n"},
		{"ping", sse.Data.AppendPing(nil), ":\n\n"},
		{"control", sse.Envelope.AppendControl(nil, sse.Open, []byte("{}"), "3", 1500*time.Millisecond), "event: hookcast.open\nretry: 1500\nid: 3\ndata: {}\n\n"},
		{"data splits at all three ends", sse.AppendFrame(nil, sse.Frame{Data: []byte("a\r\nb\rc\nd")}), "data: a\ndata: b\ndata: c\ndata: d\n\n"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
	for f, typed := range map[sse.Format]bool{sse.CloudEvents: true, sse.CloudEventsUntyped: false} {
		events, _ := decode(t, bytes.NewReader(f.AppendEnd(f.AppendEvent(nil, e), []byte("3"))))
		if len(events) != 1 || (events[0].Name == "push") != typed || !json.Valid(events[0].Data) {
			t.Errorf("format %d: %+v", f, events)
		}
	}
}

// Whatever the payload, it comes back byte for byte, and nothing in it or in the type makes a frame of its own.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range []string{"", "a", "a\nb\n", "a\r\nb", "\xff\x00", "\ufeff", " x", "data: y\n\nid: 9"} {
		f.Add("push", []byte(s))
		f.Add(s, []byte("x"))
	}
	f.Add("x;base64", []byte("a"))
	f.Fuzz(func(t *testing.T, typ string, data []byte) {
		wire := sse.Data.AppendEvent(nil, &tenants.Event{Type: typ, Data: data})
		wire = sse.Data.AppendEnd(wire, []byte("12"))
		if !utf8.Valid(wire) {
			t.Fatalf("not UTF-8: %q", wire)
		}
		d := sse.NewDecoder(bytes.NewReader(wire), 1<<30)
		e, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		gotType, got, err := sse.Payload(e.Name, e.Data)
		if err != nil || !bytes.Equal(got, data) || e.ID != "12" {
			t.Fatalf("%q became %q, id %q, %v", data, got, e.ID, err)
		}
		if want := typ; want != "" && utf8.ValidString(want) && !strings.ContainsAny(want, "\r\n\x00") && gotType != want {
			t.Fatalf("type %q became %q", want, gotType)
		}
		if e, err := d.Next(); err != io.EOF {
			t.Fatalf("a second event: %+v, %v", e, err)
		}
	})
}
