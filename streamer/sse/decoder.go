package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrTooLong is what Decoder.Next returns for an event over its bound.
var ErrTooLong = errors.New("sse: the event is too long")

// Decoder reads a stream by the grammar of the WHATWG: an optional BOM; lines that end in CR LF, CR or LF; fields event,
// data, id and retry; comments; anything else ignored.
type Decoder struct {
	r       *bufio.Reader
	max     int
	started bool
	skipLF  bool // the last line ended in CR: an LF next belongs to it
	line    []byte
	name    string
	data    []byte
	hasData bool
	lastID  string
	nextID  string
	retry   time.Duration
}

// Event is what a client dispatches.
type Event struct {
	Name string // "message" where the stream has no event line
	Data []byte // the lines joined by LF; the caller's own
	ID   string // the last id seen up to here
}

// NewDecoder returns a Decoder on r that takes events of up to max bytes, lines and field names included.
func NewDecoder(r io.Reader, max int) *Decoder {
	return &Decoder{r: bufio.NewReader(r), max: max}
}

// LastID is the id that a client would resume from. It moves with frames that have no data, too.
func (d *Decoder) LastID() string { return d.lastID }

// Retry is the last reconnection time that the stream set; 0: none.
func (d *Decoder) Retry() time.Duration { return d.retry }

// Next returns the next event as soon as its blank line is there. What the stream's end cuts short is dropped.
func (d *Decoder) Next() (Event, error) {
	for {
		line, err := d.next()
		if err != nil {
			return Event{}, err
		}
		if len(line) > 0 {
			if err := d.field(line); err != nil {
				return Event{}, err
			}
			continue
		}
		d.lastID = d.nextID
		name, data, ok := d.name, d.data, d.hasData
		d.name, d.data, d.hasData = "", nil, false
		if !ok {
			continue
		}
		if name == "" {
			name = "message"
		}
		return Event{Name: name, Data: data, ID: d.lastID}, nil
	}
}

// next returns the next line without its end. It waits for nothing behind the end: a CR ends a line at once.
func (d *Decoder) next() ([]byte, error) {
	if !d.started {
		d.started = true
		if b, err := d.r.Peek(1); err == nil && b[0] == 0xef {
			if b, err := d.r.Peek(3); err == nil && string(b) == "\xef\xbb\xbf" {
				d.r.Discard(3)
			}
		}
	}
	d.line = d.line[:0]
	for {
		c, err := d.r.ReadByte()
		if err != nil {
			return nil, err
		}
		if d.skipLF {
			d.skipLF = false
			if c == '\n' {
				continue
			}
		}
		switch c {
		case '\r':
			d.skipLF = true
			fallthrough
		case '\n':
			return d.line, nil
		}
		if len(d.line)+len(d.data) >= d.max {
			return nil, ErrTooLong
		}
		d.line = append(d.line, c)
	}
}

func (d *Decoder) field(line []byte) error {
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "event":
		d.name = decoded(value)
	case "data":
		if d.hasData {
			d.data = append(d.data, '\n')
		}
		d.hasData = true
		d.data = append(d.data, decoded(value)...)
		if len(d.data) > d.max {
			return ErrTooLong
		}
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			d.nextID = decoded(value)
		}
	case "retry":
		d.setRetry(value)
	}
	return nil
}

// longestRetry keeps the number from overflowing; nobody means more.
const longestRetry = 24 * time.Hour

func (d *Decoder) setRetry(value []byte) {
	var ms time.Duration
	for _, c := range value {
		if c < '0' || c > '9' {
			return
		}
		ms = min(10*ms+time.Duration(c-'0'), longestRetry/time.Millisecond)
	}
	if len(value) > 0 {
		d.retry = ms * time.Millisecond
	}
}

// decoded returns b as text, with U+FFFD for each byte that is no UTF-8.
func decoded(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for _, r := range string(b) {
		s.WriteRune(r)
	}
	return s.String()
}
