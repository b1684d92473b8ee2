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

// model reads a whole stream by the letter of the standard: decode, split, interpret each line. It is short and slow,
// and shares nothing with the Decoder.
func model(stream string) (events []string) {
	lines := lineEnds.Split(strings.TrimPrefix(stream, "\ufeff"), -1)
	lines = lines[:len(lines)-1] // what has no end
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

// pieces gives the stream in pieces of which a seed says how long they are.
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

// Whatever comes, in whatever pieces, the decoder gives what the standard says, and text.
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
			t.Fatalf("in pieces %q, at once %q", got, whole)
		}
		for _, e := range got {
			if !utf8.ValidString(e) {
				t.Fatalf("no text: %q", e)
			}
		}
		if !utf8.ValidString(stream) {
			return // how many U+FFFD there are is in the table
		}
		if want := model(stream); !slices.Equal(got, want) {
			t.Fatalf("%q is %q, want %q", stream, got, want)
		}
	})
}
