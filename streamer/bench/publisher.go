//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// publisher is a connection that publishes events one after the other.
type publisher struct {
	s    *server
	conn net.Conn
	r    *bufio.Reader
	body []byte
	out  []byte
}

// publish sends an event and waits for the response. An event without a time gets the time of its sending.
func (p *publisher) publish(f *fleet, m mark, size int) error {
	if p.conn == nil {
		conn, err := net.Dial("tcp", p.s.publishAddr)
		if err != nil {
			return err
		}
		p.conn, p.r = conn, bufio.NewReader(conn)
	}
	if m.sent == 0 {
		m.sent = f.now()
	}
	p.body = p.s.body(p.body[:0], m, size)
	p.out = fmt.Appendf(p.out[:0], "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n",
		p.s.publishPath(m.channel), p.s.publishAddr, p.s.publishHeader, len(p.body))
	p.out = append(p.out, p.body...)
	p.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := p.conn.Write(p.out); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	a, err := http.ReadResponse(p.r, nil)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	text, err := io.ReadAll(a.Body)
	a.Body.Close()
	if a.Close {
		p.close()
	}
	switch {
	case err != nil:
		return fmt.Errorf("publish: %w", err)
	case a.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("publish: %w: %.300q", errRefused, text)
	case a.StatusCode/100 != 2:
		return fmt.Errorf("publish: %s %.300q", a.Status, text)
	}
	return nil
}

// errRefused says that a limit refused the event.
var errRefused = errors.New("a limit refused the event")

func (p *publisher) close() {
	if p.conn != nil {
		p.conn.Close()
		p.conn = nil
	}
}

// publishers are several publishers. The events of one channel go through one of them, which keeps their order.
type publishers []*publisher

func (s *server) publishers(n int) publishers {
	ps := make(publishers, n)
	for i := range ps {
		ps[i] = &publisher{s: s}
	}
	return ps
}

func (ps publishers) close() {
	for _, p := range ps {
		p.close()
	}
}

// each calls do for all publishers concurrently and returns the first error.
func (ps publishers) each(do func(i int, p *publisher) error) error {
	var all sync.WaitGroup
	errs := make([]error, len(ps))
	for i, p := range ps {
		all.Go(func() { errs[i] = do(i, p) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// warm publishes to every channel until all clients have received a few events, so that first-use costs are over.
func (f *fleet) warm(ps publishers, channels, size int) error {
	for round := range 3 {
		f.warmed.Store(0)
		err := ps.each(func(i int, p *publisher) error {
			for ch := i; ch < channels; ch += len(ps) {
				if err := p.publish(f, mark{channel: ch, number: warmUp}, size); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if !await(&f.warmed, int64(f.fleetSpec.clients-f.deaf), 5*time.Second) {
			return fmt.Errorf("event %d of the warm-up reached %d of %d clients", round, f.warmed.Load(),
				f.fleetSpec.clients)
		}
	}
	return nil
}

// paced publishes at a fixed rate. If an event is late because the previous one was not answered in time, its latency
// counts from when it was due.
func (f *fleet) paced(p *publisher, channel, first, events, size int, rate float64) error {
	start := f.now()
	for i := range events {
		m := mark{channel: channel, number: first + i}
		due := start + int64(float64(i)/rate*1e9)
		if early := due - f.now(); early > 0 {
			time.Sleep(time.Duration(early))
		} else {
			m.sent = due
		}
		if err := p.publish(f, m, size); err != nil {
			return err
		}
	}
	return nil
}
