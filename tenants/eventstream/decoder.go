package eventstream

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// ErrTooLong is what a Decoder returns for an event over its bound.
var ErrTooLong = errors.New("eventstream: the event is too long")

// Decoder reads a stream: an optional BOM; lines that end in CR LF, CR or LF; fields event, data, id and retry; comments; anything else
// ignored. It waits for nothing behind the byte that completes an event.
type Decoder struct {
	r    io.Reader
	max  int
	buf  []byte // read and not parsed: buf[at:end]
	at   int
	end  int
	bom  int  // bytes of a BOM that the stream has begun with; bomOver once that is settled
	skip bool // the last line ended in CR: an LF next belongs to it
	line []byte

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

const (
	bufferBytes = 4 << 10
	theBOM      = "\xef\xbb\xbf"
	bomOver     = -1
)

// NewDecoder returns a Decoder on r that takes events of up to max bytes, lines and field names included.
func NewDecoder(r io.Reader, max int) *Decoder { return &Decoder{r: r, max: max} }

// LastID is the id that a client would resume from. It moves with frames that have no data, too.
func (d *Decoder) LastID() string { return d.lastID }

// Resume sets the id that a stream goes on from, as a client has it that connects again.
func (d *Decoder) Resume(id string) { d.lastID, d.nextID = id, id }

// Retry is the last reconnection time that the stream set, 1 ms to a day; 0: none.
func (d *Decoder) Retry() time.Duration { return d.retry }

// Next returns the next event as soon as its blank line is there. What the stream's end cuts short is dropped.
func (d *Decoder) Next() (Event, error) {
	for {
		if e, ok, err := d.Ready(); ok || err != nil {
			return e, err
		}
		if d.buf == nil {
			d.buf = make([]byte, bufferBytes)
		}
		n, err := d.r.Read(d.buf)
		d.at, d.end = 0, n
		if n == 0 && err != nil {
			return Event{}, err
		}
	}
}

// Ready is Next for what has been read already: false where the next event is yet to come.
func (d *Decoder) Ready() (Event, bool, error) {
	for d.at < d.end {
		c := d.buf[d.at]
		d.at++
		if d.bom != bomOver && d.inBOM(c) {
			continue
		}
		if d.skip {
			d.skip = false
			if c == '\n' {
				continue
			}
		}
		if c != '\n' && c != '\r' {
			if len(d.line)+len(d.data) >= d.max {
				return Event{}, false, ErrTooLong
			}
			d.line = append(d.line, c)
			continue
		}
		d.skip = c == '\r'
		if len(d.line) > 0 {
			d.field(d.line)
			d.line = d.line[:0]
			continue
		}
		if e, ok := d.dispatch(); ok {
			return e, true, nil
		}
	}
	return Event{}, false, nil
}

// inBOM tells whether c is part of a BOM at the stream's beginning. What only began like one is given back to the first line.
func (d *Decoder) inBOM(c byte) bool {
	if c == theBOM[d.bom] {
		if d.bom++; d.bom == len(theBOM) {
			d.bom = bomOver
		}
		return true
	}
	d.line = append(d.line, theBOM[:d.bom]...)
	d.bom = bomOver
	return false
}

// dispatch is what a blank line does.
func (d *Decoder) dispatch() (Event, bool) {
	d.lastID = d.nextID
	e := Event{Name: d.name, Data: d.data, ID: d.lastID}
	ok := d.hasData
	d.name, d.data, d.hasData = "", nil, false
	if e.Name == "" {
		e.Name = "message"
	}
	return e, ok
}

func (d *Decoder) field(line []byte) {
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
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			d.nextID = decoded(value)
		}
	case "retry":
		d.setRetry(value)
	}
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
		d.retry = max(ms, 1) * time.Millisecond
	}
}
