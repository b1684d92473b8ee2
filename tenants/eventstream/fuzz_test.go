package eventstream_test

import (
	"math/rand"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var lineEnds = regexp.MustCompile("\r\n|\r|\n")

// model reads a whole stream literally as the standard says: decode, split, interpret each line. It is short and
// slow, and shares no code with the Decoder.
func model(stream string) (events []string) {
	lines := lineEnds.Split(strings.TrimPrefix(stream, "\ufeff"), -1)
	lines = lines[:len(lines)-1] // an incomplete line
	var id, next, name string
	var data []string
	for _, line := range lines {
		if line == "" {
			id = next
			if name == "" {
				name = "message"
			}
			if data != nil {
				events = append(events, name+"|"+strings.Join(data, "\n")+"|"+id)
			}
			name, data = "", nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data = append(data, value)
		case "id":
			if !strings.Contains(value, "\x00") {
				next = value
			}
		}
	}
	return events
}

// pieces returns the stream in pieces of random length.
type pieces struct {
	rest string
	r    *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	n := min(1+p.r.Intn(7), len(b), len(p.rest))
	if n == 0 {
		return strings.NewReader("").Read(b)
	}
	copy(b, p.rest[:n])
	p.rest = p.rest[n:]
	return n, nil
}

// FuzzDecoder checks that the decoder returns the events of the standard, as valid text, for any input in any pieces.
func FuzzDecoder(f *testing.F) {
	for _, s := range []string{
		"", "data: a\n\n", "\ufeffdata: a\r\n\r\n", "\ufeff\ufeffdata\r\r",
		"id: 1\x00\nid: 2\nevent: x\ndata:  y\rdata\n\n: c\n\n", "retry: 10\ndata: a\n\rdata: b\r\n\n",
		"data: \xe2\x82\n\n", "\xef\xbbdata: x\n\n", "data:a\r\n\rdata:b\n\n\n\n", "id\nid: 3\n\ndata:\n\n",
	} {
		f.Add(s, int64(1))
	}
	f.Fuzz(func(t *testing.T, stream string, seed int64) {
		if len(stream) > 1<<16 {
			t.Skip("longer than the bound of an event")
		}
		got, _ := read(t, &pieces{stream, rand.New(rand.NewSource(seed))})
		if whole, _ := read(t, strings.NewReader(stream)); !slices.Equal(got, whole) {
			t.Fatalf("got %q in pieces, %q at once", got, whole)
		}
		for _, e := range got {
			if !utf8.ValidString(e) {
				t.Fatalf("got invalid UTF-8: %q", e)
			}
		}
		if !utf8.ValidString(stream) {
			return // the table above has the number of U+FFFD
		}
		if want := model(stream); !slices.Equal(got, want) {
			t.Fatalf("%q: got %q, want %q", stream, got, want)
		}
	})
}
