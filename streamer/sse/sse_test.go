package sse_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
)

func decode(t *testing.T, r io.Reader) (events []eventstream.Event) {
	t.Helper()
	for d := eventstream.NewDecoder(r, 1<<20); ; {
		e, err := d.Next()
		if errors.Is(err, io.EOF) {
			return events
		}
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
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
		{"a type that looks like base64", sse.Data.AppendEvent(nil,
			&tenants.Event{Type: "x;base64", Data: []byte("a")}), "event: x;base64;base64\ndata: YQ==\n"},
		{"a type cannot make lines", sse.Data.AppendEvent(nil,
			&tenants.Event{Type: "x\ndata: y\r\x00", Data: []byte("a")}), "event: x?data: y??\ndata: a\n"},
		{"envelope", sse.Envelope.AppendEvent(nil, e),
			`data: {"id":"evt_1","seq":3,"channel":"a","type":"push","data":"1\n2",` +
				`"time":"1970-01-01T00:00:00Z"}` + "\n"},
		{"end", sse.Data.AppendEnd(nil, []byte("3")), "id: 3\n\n"},
		{"ping", sse.Data.AppendPing(nil), ":\n\n"},
		{"control", sse.Envelope.AppendControl(nil, sse.Open, []byte("{}"), "3", 1500*time.Millisecond),
			"event: hookcast.open\nretry: 1500\nid: 3\ndata: {}\n\n"},
		{"data splits at all three ends", sse.AppendFrame(nil, sse.Frame{Data: []byte("a\r\nb\rc\nd")}),
			"data: a\ndata: b\ndata: c\ndata: d\n\n"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
	for f, typed := range map[sse.Format]bool{sse.CloudEvents: true, sse.CloudEventsUntyped: false} {
		events := decode(t, bytes.NewReader(f.AppendEnd(f.AppendEvent(nil, e), []byte("3"))))
		if len(events) != 1 || (events[0].Name == "push") != typed || !json.Valid(events[0].Data) {
			t.Errorf("format %d: %+v", f, events)
		}
	}
}

// Any payload arrives byte for byte, and nothing in it or in the type forms a frame of its own.
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
		d := eventstream.NewDecoder(bytes.NewReader(wire), 1<<30)
		e, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		gotType, got, err := sse.Payload(e.Name, e.Data)
		if err != nil || !bytes.Equal(got, data) || e.ID != "12" {
			t.Fatalf("%q became %q, id %q, %v", data, got, e.ID, err)
		}
		if want := typ; want != "" && utf8.ValidString(want) && !strings.ContainsAny(want, "\r\n\x00") &&
			gotType != want {
			t.Fatalf("type %q became %q", want, gotType)
		}
		if e, err := d.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("a second event: %+v, %v", e, err)
		}
	})
}
