package eventstream

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// ErrTooLong says that an event exceeds the bound of a Decoder.
var ErrTooLong = errors.New("eventstream: the event is too long")

// Decoder decodes a stream: an optional BOM; lines that end in CR LF, CR or LF; fields event, data, id and retry;
// comments; other fields are ignored. It returns an event as soon as the byte that completes it arrives.
type Decoder struct {
	r    io.Reader
	max  int
	buf  []byte // read but not parsed: buf[at:end]
	at   int
	end  int
	seen int  // bytes of a BOM seen at the start; bomOver once that is settled
	skip bool // the last line ended in CR; an LF that follows belongs to it
	line []byte

	name    string
	data    []byte
	hasData bool
	lastID  string
	nextID  string
	retry   time.Duration
}

// Event is an event as a client dispatches it.
type Event struct {
	Name string // "message" if the stream has no event line
	Data []byte // the lines joined by LF; owned by the caller
	ID   string // the last id seen so far
}

const (
	bufferBytes = 4 << 10
	bom         = "\xef\xbb\xbf"
	bomOver     = -1
)

// NewDecoder returns a Decoder that reads from r. An event has at most max bytes, field names included.
func NewDecoder(r io.Reader, max int) *Decoder { return &Decoder{r: r, max: max} }

// LastID returns the id that a client would resume from. Frames without data move it, too.
func (d *Decoder) LastID() string { return d.lastID }

// Resume sets the id from which a client reconnects.
func (d *Decoder) Resume(id string) { d.lastID, d.nextID = id, id }

// Retry returns the last reconnection time that the stream set, 1 ms to a day, or 0 if none.
func (d *Decoder) Retry() time.Duration { return d.retry }

// Next returns the next event as soon as its blank line arrives. An event that the end of the stream cuts short is
// dropped.
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

// Ready returns the next event among the bytes already read, and false if there is none yet.
func (d *Decoder) Ready() (Event, bool, error) {
	for d.at < d.end {
		c := d.buf[d.at]
		d.at++
		if d.seen != bomOver && d.inBOM(c) {
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

// inBOM reports whether c belongs to a BOM at the start of the stream. Bytes that only resemble one are returned to
// the first line.
func (d *Decoder) inBOM(c byte) bool {
	if c == bom[d.seen] {
		if d.seen++; d.seen == len(bom) {
			d.seen = bomOver
		}
		return true
	}
	d.line = append(d.line, bom[:d.seen]...)
	d.seen = bomOver
	return false
}

// dispatch handles a blank line.
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

// maxRetry keeps the number from overflowing.
const maxRetry = 24 * time.Hour

func (d *Decoder) setRetry(value []byte) {
	var ms time.Duration
	for _, c := range value {
		if c < '0' || c > '9' {
			return
		}
		ms = min(10*ms+time.Duration(c-'0'), maxRetry/time.Millisecond)
	}
	if len(value) > 0 {
		d.retry = max(ms, 1) * time.Millisecond
	}
}
