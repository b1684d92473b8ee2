package hub

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
)

// visitor is a client over all of its connections. It is their sink, one after the other.
type visitor struct {
	w        *world
	name     string
	channels []string
	quick    bool // accepts everything at once
	at       []int64
	cursor   string
	ids      map[string]bool

	conn *Conn
	// Guarded by the connection's mu.
	room  int
	got   []byte
	times []arrival
	over  bool
}

// arrival is the time at which the bytes up to an offset came.
type arrival struct {
	end int
	at  time.Time
}

func (v *visitor) write(b []byte) (int, bool, error) {
	if v.over {
		return 0, false, io.ErrClosedPipe
	}
	n := len(b)
	if v.room >= 0 {
		n = min(n, v.room)
		v.room -= n
	}
	v.got = append(v.got, b[:n]...)
	v.times = append(v.times, arrival{len(v.got), time.Now()})
	return n, n == len(b), nil
}

func (v *visitor) start() error { return nil }
func (v *visitor) shutdown()    {}
func (v *visitor) close()       { v.over = true }
func (v *visitor) reset()       { v.close() }
func (v *visitor) unsent() int  { return 0 }

func (v *visitor) connect() error {
	s := Subscription{Tenant: simTenant, Channels: v.channels, Format: sse.Data}
	if v.cursor != "" {
		var err error
		if s.Positions, err = tenants.ParseCursor(v.cursor, v.channels); err != nil {
			return err
		}
	}
	c, err := v.w.hub.Open(s)
	if err != nil {
		return err
	}
	v.conn, v.got, v.times, v.over, v.room = c, nil, nil, false, -1
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serve(v)
	return nil
}

func (v *visitor) take(n int) {
	v.conn.mu.Lock()
	defer v.conn.mu.Unlock()
	v.room = n
	v.conn.ready()
}

// leave breaks the connection off and checks the bytes that came.
func (v *visitor) leave() {
	v.conn.mu.Lock()
	v.conn.left()
	got, times := bytes.Clone(v.got), v.times
	v.conn.mu.Unlock()
	opened := time.Time{}
	for len(got) > 0 {
		frame, rest, ok := bytes.Cut(got, []byte("\n\n"))
		if !ok {
			return
		}
		end := len(v.got) - len(rest)
		for times[0].end < end {
			times = times[1:]
		}
		if opened.IsZero() {
			opened = times[0].at
		}
		v.saw(append(frame, "\n\n"...), times[0].at, opened)
		got = rest
	}
}

// saw checks a frame that came at a given time over a connection opened at another.
func (v *visitor) saw(frame []byte, at, opened time.Time) {
	d := eventstream.NewDecoder(bytes.NewReader(frame), 1<<20)
	e, err := d.Next()
	if errors.Is(err, io.EOF) || e.Name == sse.Heartbeat {
		return
	}
	if e.ID == "" {
		v.w.found("%s: a frame without an id: %s", v.name, frame)
		return
	}
	positions, err := tenants.ParseCursor(e.ID, v.channels)
	if err != nil {
		v.w.found("%s: %v: %s", v.name, err, frame)
		return
	}
	fresh := v.at == nil
	if fresh {
		v.at = positions
	}
	v.cursor = e.ID
	if e.Name != "t" {
		v.sawControl(e, positions)
		return
	}
	if v.ids[string(e.Data)] {
		v.w.found("%s: %s came twice", v.name, e.Data)
	}
	v.ids[string(e.Data)] = true
	moved := -1
	for i := range positions {
		if positions[i] == v.at[i] {
			continue
		}
		if positions[i] != v.at[i]+1 || moved >= 0 {
			v.w.found("%s: from %v to %v", v.name, v.at, positions)
		}
		moved = i
	}
	v.at = positions
	if moved < 0 {
		v.w.found("%s: a frame that moves nothing: %s", v.name, frame)
		return
	}
	channel := v.channels[moved]
	v.w.check(channel, positions[moved], string(e.Data))
	v.w.mu.Lock()
	since := v.w.committed[channel][positions[moved]]
	v.w.mu.Unlock()
	if since.Before(opened) {
		since = opened
	}
	if late := at.Sub(since); v.quick && !v.w.rough && late > inTime {
		v.w.found("%s: number %d of %s came %v late", v.name, positions[moved], channel, late)
	}
}

// visit comes, goes and comes back until ctx ends, then stays for the rest and goes.
func (v *visitor) visit(stop <-chan struct{}, rng *rand.Rand) {
	for {
		time.Sleep(away(rng, 4, time.Second))
		if err := v.connect(); err != nil {
			v.w.found("%s: %v", v.name, err)
			return
		}
		stay := time.NewTimer(upTo(rng, 2*time.Second))
		for stay != nil {
			wait := time.NewTimer(upTo(rng, 200*time.Millisecond))
			select {
			case <-stop:
				wait.Stop()
				stay.Stop()
				v.take(-1)
				return // it is connected, and checked later
			case <-stay.C:
				stay = nil
			case <-wait.C:
				if !v.quick {
					v.take(rng.IntN(400) - 1)
				}
			}
			wait.Stop()
		}
		v.leave()
	}
}

// sawControl checks a control: it does not move the positions.
func (v *visitor) sawControl(e eventstream.Event, positions []int64) {
	if e.Name != sse.Open {
		v.w.found("%s: %s %s", v.name, e.Name, e.Data)
	}
	for i := range positions {
		if positions[i] != v.at[i] {
			v.w.found("%s: opened at %v, was at %v", v.name, positions, v.at)
		}
	}
}

// wantAll checks that no number follows the visitor's positions.
func (v *visitor) wantAll() {
	for i, channel := range v.channels {
		for n := v.at[i] + 1; v.w.row(channel, n).Body != nil; n++ {
			v.w.found("%s never got number %d of %s", v.name, n, channel)
		}
	}
}
