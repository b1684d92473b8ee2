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

// crowd is clients of one tenant that come, stay a while if they get a place, leave, and come again, to any node; and who counts them.
type crowd struct {
	limit  int
	token  string
	nodes  []string
	stop   chan struct{} // closed: everybody leaves
	settle chan struct{} // closed: whoever has a place keeps it

	mu      sync.Mutex
	killed  map[string]bool // nodes that may refuse connections and break streams off
	wanting int             // who has a place or tries to get one
	inUse   int             // places that the servers have given, by what clients have seen
	top     int             // of inUse
	refused int
	faults  []string
	empty   emptiness
}

// emptiness is how empty it was when somebody was refused: load slows clients and servers down alike, so that what they do is counted rather
// than the time that it takes.
type emptiness struct {
	refusals, sum int // inUse at each of them
	run, longest  int // refusals in a row with too few in use
	low           int // all such refusals
}

// refuse counts a client that was sent away.
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

// told notes what must not be.
func (c *crowd) told(format string, args ...any) {
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

// use counts a place. It is taken once its holder has seen the stream's first frame, and free from before its holder hangs up: the server,
// which hears of the one later and has known of the other earlier, has never fewer in use than are counted here. One that the server takes
// away would be counted too long, so none must be, but by a killed node: and that one's places nobody is given for some seconds.
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

// client lives until stop is closed.
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
				c.told("%v", err)
			}
			if conn != nil {
				c.use(1)
				left := c.stay(conn, time.Duration(rng.Int64N(int64(5*time.Second))))
				c.use(-1)
				conn.Close()
				if !left && !c.isKilled(node) {
					c.told("a stream was broken off")
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

// connect asks a node for a stream. Without a place, as the stream itself must then say, it returns nil.
func (c *crowd) connect(node string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", node, 10*time.Second)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = fmt.Fprintf(conn, "GET /v1/stream?channel=orders HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n", node, c.token)
	var got []byte
	for b := make([]byte, 2048); err == nil; {
		var n int
		n, err = conn.Read(b)
		got = append(got, b[:n]...)
		if i := bytes.Index(got, []byte("\r\n\r\n")); i >= 0 && bytes.Contains(got[i:], []byte("event: hookcast.open\n")) && bytes.HasSuffix(got, []byte("\n\n")) {
			return conn, nil
		}
	}
	conn.Close()
	said := string(got)
	if !errors.Is(err, io.EOF) || !strings.HasPrefix(said, "HTTP/1.1 200 ") || !strings.Contains(said, "event: hookcast.quota\n") || !strings.Contains(said, "retry: ") {
		return nil, fmt.Errorf("neither a stream nor a refusal but %q, %w", said, err)
	}
	c.refuse()
	return nil, nil
}

// stay holds the place for so long, or until everybody leaves where it is to be kept. It tells whether the client was the one to leave.
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
