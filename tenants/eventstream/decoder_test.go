package eventstream_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/hookcast/hookcast/tenants/eventstream"
)

// read returns each event of the stream as name|data|id.
func read(t testing.TB, r io.Reader) (events []string, d *eventstream.Decoder) {
	t.Helper()
	d = eventstream.NewDecoder(r, 1<<20)
	for {
		e, err := d.Next()
		if errors.Is(err, io.EOF) {
			return events, d
		}
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e.Name+"|"+string(e.Data)+"|"+e.ID)
	}
}

// ways are ways in which the bytes of a stream can arrive.
var ways = map[string]func(io.Reader) io.Reader{
	"at once":           func(r io.Reader) io.Reader { return r },
	"byte by byte":      iotest.OneByteReader,
	"half by half":      iotest.HalfReader,
	"the end with data": iotest.DataErrReader,
}

const long = 8 << 10 // longer than any buffer

func TestDecoderByTheGrammar(t *testing.T) {
	x := strings.Repeat("x", long)
	wantEvents(t, []stream{
		{"one line", "data: a\n\n", "message|a|"},
		{"CR", "data: a\rdata: b\r\r", "message|a\nb|"},
		{"CR LF", "data: a\r\ndata: b\r\n\r\n", "message|a\nb|"},
		{"all three", "data: a\rdata: b\ndata: c\r\n\r", "message|a\nb\nc|"},
		{"LF CR is two ends", "data: a\n\rdata: b\n\n", "message|a| message|b|"},
		{"BOM", "\ufeffdata: a\n\n", "message|a|"},
		{"half a BOM is part of the field's name", "\xef\xbbdata: a\n\ndata: b\n\n", "message|b|"},
		{"a BOM and a CR", "\ufeff\rdata: a\n\n", "message|a|"},
		{"NUL in an id", "id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n", "message|a|1 message|b|1"},
		{"NUL in data", "data: a\x00b\n\n", "message|a\x00b|"},
		{"comments and unknown fields", ": x\nfoo: bar\n data: no\nDATA: no\ndata: a\n\n", "message|a|"},
		{"a name without data is dropped", "event: x\n\ndata: a\n\n", "message|a|"},
		{"a name", "event: x\ndata: a\n\ndata: b\n\n", "x|a| message|b|"},
		{"the last of two names", "event: x\nevent: y\ndata: a\n\n", "y|a|"},
		{"an id without data stays", "id: 7\n\ndata: a\n\n", "message|a|7"},
		{"the end cuts off", "data: a\n\ndata: b\n", "message|a|"},
		{"the end cuts off an id", "data: a\n\nid: 9\ndata: b", "message|a|"},
		{"a colon in the value", "data: a: b\n\n", "message|a: b|"},
		{"bytes that are not UTF-8", "data: a\xffb\n\n", "message|a\ufffdb|"},
		{"a character that is cut short is one U+FFFD", "data: a\xe2\x82b\xf0\x9f\x98\n\n", "message|a\ufffdb\ufffd|"},
		{"a surrogate is three", "data: \xed\xa0\x80\n\n", "message|\ufffd\ufffd\ufffd|"},
		{"a line that no buffer holds whole", "data:" + x + "\r:" + x + "\ndata:" + x + "\n\n",
			"message|" + x + "\n" + x + "|"},
	})
}

// stream is an input and its events as name|data|id, separated by spaces.
type stream struct{ name, in, want string }

func wantEvents(t *testing.T, streams []stream) {
	t.Helper()
	for _, c := range streams {
		for name, way := range ways {
			t.Run(c.name+", "+name, func(t *testing.T) {
				events, _ := read(t, way(strings.NewReader(c.in)))
				if s := strings.Join(events, " "); s != c.want {
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
		"retry:3000\nretry:1000x\n\n":         3000 * time.Millisecond,
		"retry:03000\n\n":                     3000 * time.Millisecond,
		"retry: 1e3\n\n":                      0,
		"retry:\n\n":                          0,
		"retry\n\n":                           0,
		"retry: 0\n\n":                        time.Millisecond,
		"retry: 99999999999999999999999999\n": 24 * time.Hour,
	} {
		if _, d := read(t, strings.NewReader(in)); d.Retry() != want {
			t.Errorf("%q: got %v, want %v", in, d.Retry(), want)
		}
	}
}

// A CR ends a line, so an event is complete before the byte after its last CR.
func TestDecoderDoesNotWaitBehindCR(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	go w.Write([]byte("data: a\r\r"))
	if e, err := eventstream.NewDecoder(r, 100).Next(); err != nil || string(e.Data) != "a" {
		t.Fatalf("got %q, %v; want a", e.Data, err)
	}
}

// Received events are available without waiting for further bytes, even for the rest of a comment.
func TestReadyGivesWhatHasComeAndNoMore(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	go w.Write([]byte("data: a\n\ndata: b\n\n: comm"))
	d := eventstream.NewDecoder(r, 100)
	if e, err := d.Next(); err != nil || string(e.Data) != "a" {
		t.Fatalf("got %q, %v; want a", e.Data, err)
	}
	if e, ok, err := d.Ready(); !ok || err != nil || string(e.Data) != "b" {
		t.Errorf("got %q, %v, %v; want b", e.Data, ok, err)
	}
	if e, ok, err := d.Ready(); ok || err != nil {
		t.Errorf("%q, %v", e.Data, err)
	}
	go w.Write([]byte("ent\n\ndata: c\n\n"))
	if e, err := d.Next(); err != nil || string(e.Data) != "c" {
		t.Errorf("%q, %v", e.Data, err)
	}
}

func TestDecoderGoesOnFromAnIDThatItIsTold(t *testing.T) {
	d := eventstream.NewDecoder(strings.NewReader("data: a\n\nid: 8\ndata: b\n\n"), 100)
	d.Resume("7")
	for _, want := range []string{"7", "8"} {
		if e, err := d.Next(); err != nil || e.ID != want || d.LastID() != want {
			t.Errorf("got id %q, %v; want %q", e.ID, err, want)
		}
	}
}

func TestDecoderBounds(t *testing.T) {
	for name, in := range map[string]string{
		"one line":   "data: " + strings.Repeat("a", 101) + "\n\n",
		"many lines": strings.Repeat("data: a\n", 101),
		"a comment":  ":" + strings.Repeat("a", 101),
	} {
		if _, err := eventstream.NewDecoder(strings.NewReader(in), 100).Next(); !errors.Is(err,
			eventstream.ErrTooLong) {
			t.Errorf("%s: got %v, want ErrTooLong", name, err)
		}
	}
}
