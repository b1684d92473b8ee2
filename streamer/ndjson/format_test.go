package ndjson_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/ndjson"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
)

var event = tenants.Event{ID: "evt_1", Seq: 3, Channel: "a", Type: "push", Data: []byte("1\n2"), Time: time.Unix(0, 0)}

func TestLines(t *testing.T) {
	lines, chunks := ndjson.Format{}, ndjson.Format{Chunked: true}
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"an event": {lines.AppendEvent([]byte("x"), &event),
			`x{"id":"evt_1","seq":3,"channel":"a","type":"push","data":"1\n2","time":"1970-01-01T00:00:00Z"`},
		"its end": {lines.AppendEnd([]byte("x"), []byte("3")), `x,"cursor":"3"}` + "\n"},
		"a control": {lines.AppendControl(nil, sse.Gap, []byte(`{"channel":"a","reset":true}`), "3", 0),
			`{"type":"hookcast.gap","channel":"a","reset":true,"cursor":"3"}` + "\n"},
		"a control that says come": {lines.AppendControl(nil, sse.Goodbye, []byte(`{}`), "", 1500*time.Millisecond),
			`{"type":"hookcast.goodbye","retry_ms":1500}` + "\n"},
		"a ping":                  {lines.AppendPing(nil), `{"type":"hookcast.heartbeat"}` + "\n"},
		"nothing behind the last": {lines.AppendClose([]byte("x"), sse.Ended), "x"},
		"a chunk":                 {chunks.AppendEnd([]byte("x"), []byte("3")), "xf\r\n" + `,"cursor":"3"}` + "\n\r\n"},
		"a longer chunk": {chunks.AppendPing([]byte("x")),
			"x1e\r\n" + `{"type":"hookcast.heartbeat"}` + "\n\r\n"},
		"the last chunk": {chunks.AppendClose([]byte("x"), sse.Ended), "x0\r\n\r\n"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
}

// Chunks are read back by an independent decoder, and every line by one of JSON.
func TestChunksHoldTheLines(t *testing.T) {
	large := event
	large.Data = bytes.Repeat([]byte("\x00\xff\n"), 100<<10)
	f := ndjson.Format{Chunked: true, CloudEvents: true}
	b := f.AppendControl(nil, sse.Open, []byte(`{"connection_id":"con_1","heartbeat_ms":40000}`), "2", time.Second)
	b = f.AppendEnd(f.AppendEvent(b, &event), []byte("3"))
	b = f.AppendEnd(f.AppendEvent(b, &large), []byte("4"))
	b = f.AppendPing(b)
	b = f.AppendClose(f.AppendControl(b, sse.Ended, []byte(`{"channel":"a"}`), sse.Stop, 0), sse.Ended)
	text, err := io.ReadAll(httputil.NewChunkedReader(bufio.NewReader(bytes.NewReader(b))))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		var v struct{ Type, Specversion, Cursor string }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%.100q: %v", line, err)
		}
		got = append(got, v.Type+v.Specversion+"@"+v.Cursor)
	}
	if s := strings.Join(got,
		" "); s != "hookcast.open@2 push1.0@3 push1.0@4 hookcast.heartbeat@ hookcast.ended@!stop" {
		t.Error(s)
	}
}
