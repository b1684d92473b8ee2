package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// crowd is a number of clients of one tenant that connect to any node, stay for a while if they get a slot, leave,
// and return; and the counts of what they see.
type crowd struct {
	limit  int
	token  string
	nodes  []string
	stop   chan struct{} // closed when all clients must leave
	settle chan struct{} // closed when clients must keep their slots

	mu      sync.Mutex
	killed  map[string]bool // nodes that may refuse connections and cut streams
	wanting int             // clients that have a slot or try to get one
	inUse   int             // slots in use, as seen by the clients
	top     int             // the highest inUse
	refused int
	faults  []string
	empty   emptiness
}

// emptiness counts how many slots were free when a client was refused. Load slows clients and servers down alike, so
// it counts events rather than their durations.
type emptiness struct {
	refusals, sum int // sum of inUse over the refusals
	run, longest  int // consecutive refusals with too few slots in use
	low           int // all of these refusals
}

// refuse counts a refused client.
func (c *crowd) refuse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused++
	if c.wanting < c.limit {
		return
	}
	e := &c.empty
	e.refusals, e.sum = e.refusals+1, e.sum+c.inUse
	if c.inUse >= c.limit*9/10 {
		e.run = 0
		return
	}
	e.low, e.run = e.low+1, e.run+1
	e.longest = max(e.longest, e.run)
}

// violation records a violation.
func (c *crowd) violation(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.faults) < 20 {
		c.faults = append(c.faults, fmt.Sprintf(format, args...))
	}
}

func (c *crowd) want(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanting += n
}

// use counts a slot. It is in use once its holder has seen the first frame of the stream, and free before its holder
// disconnects: the server learns of the former earlier and of the latter later, and so never has fewer in use than
// are counted here. A stream that the server ends would be counted for too long. So no server may end one, except a
// killed node, and its slots are not given to others for some seconds.
func (c *crowd) use(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inUse += n
	c.top = max(c.top, c.inUse)
}

func (c *crowd) kill(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed[node] = true
}

func (c *crowd) isKilled(node string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killed[node]
}

// client runs until stop is closed.
func (c *crowd) client(rng *rand.Rand) {
	pause := func(most time.Duration) bool {
		select {
		case <-time.After(time.Duration(rng.Int64N(int64(most)))):
			return true
		case <-c.stop:
			return false
		}
	}
	for pause(2 * time.Second) {
		c.want(1)
		for {
			node := c.nodes[rng.IntN(len(c.nodes))]
			conn, err := c.connect(node)
			if err != nil && !c.isKilled(node) {
				c.violation("%v", err)
			}
			if conn != nil {
				c.use(1)
				left := c.stay(conn, time.Duration(rng.Int64N(int64(5*time.Second))))
				c.use(-1)
				conn.Close()
				if !left && !c.isKilled(node) {
					c.violation("a stream was cut")
				}
				break
			}
			if !pause(3 * time.Second) {
				break
			}
		}
		c.want(-1)
	}
}

// connect asks a node for a stream. It returns nil if there is no slot, which the stream must then say itself.
func (c *crowd) connect(node string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", node, 10*time.Second)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = fmt.Fprintf(conn, "GET /v1/stream?channel=orders HTTP/1.1\r\nHost: %s\r\nAccept: "+
		"text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n", node, c.token)
	var got []byte
	for b := make([]byte, 2048); err == nil; {
		var n int
		n, err = conn.Read(b)
		got = append(got, b[:n]...)
		if i := bytes.Index(got, []byte("\r\n\r\n")); i >= 0 &&
			bytes.Contains(got[i:], []byte("event: hookcast.open\n")) && bytes.HasSuffix(got, []byte("\n\n")) {
			return conn, nil
		}
	}
	conn.Close()
	said := string(got)
	if !errors.Is(err, io.EOF) || !strings.HasPrefix(said, "HTTP/1.1 200 ") ||
		!strings.Contains(said, "event: hookcast.quota\n") || !strings.Contains(said, "retry: ") {
		return nil, fmt.Errorf("got neither a stream nor a refusal but %q: %w", said, err)
	}
	c.refuse()
	return nil, nil
}

// stay keeps the slot for a while, or until stop is closed if settle is. It reports whether the client was the one to
// leave.
func (c *crowd) stay(conn net.Conn, long time.Duration) (left bool) {
	until := time.Now().Add(long)
	for b := make([]byte, 1024); ; {
		_ = conn.SetReadDeadline(until)
		_, err := conn.Read(b)
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		select {
		case <-c.stop:
			return true
		case <-c.settle:
			until = time.Now().Add(50 * time.Millisecond)
		default:
			return true
		}
	}
}
