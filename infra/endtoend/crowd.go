package endtoend

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Crowd is a large number of stream clients in a process of their own, so that their memory, CPU and file descriptors
// are not the test's. The process is the test binary itself: its TestMain must call RunCrowd first.
type Crowd struct {
	in  io.WriteCloser
	out *bufio.Scanner
	cmd *exec.Cmd
}

const crowdVariable = "HOOKCAST_CROWD"

// RunCrowd runs the crowd's process if the environment asks for it, and then exits; otherwise it returns at once.
func RunCrowd() {
	if addr := os.Getenv(crowdVariable); addr != "" {
		crowd(addr, os.Stdin, os.Stdout)
		os.Exit(0)
	}
}

// NewCrowd starts a process of clients for the server at addr (host:port). It ends with the test.
func NewCrowd(t testing.TB, addr string) *Crowd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crowdVariable+"="+addr)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &Crowd{in, bufio.NewScanner(out), cmd}
}

// Open opens n streams, each with a GET of target (path and query), and returns how many were answered 200 and how
// many were not.
func (c *Crowd) Open(t testing.TB, n int, target string) (opened, refused int) {
	t.Helper()
	c.ask(t, fmt.Sprintf("open %d %s", n, target), &opened, &refused)
	return opened, refused
}

// Alive returns how many streams are still open, and how many events they received in total.
func (c *Crowd) Alive(t testing.TB) (streams, events int) {
	t.Helper()
	c.ask(t, "alive", &streams, &events)
	return streams, events
}

func (c *Crowd) ask(t testing.TB, line string, a, b *int) {
	t.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		t.Fatalf("crowd: %v", err)
	}
	if !c.out.Scan() {
		t.Fatalf("the crowd's process has ended: %v", c.out.Err())
	}
	if _, err := fmt.Sscan(c.out.Text(), a, b); err != nil {
		t.Fatalf("the crowd answered %q: %v", c.out.Text(), err)
	}
}

func crowd(addr string, in io.Reader, out io.Writer) {
	var alive, events atomic.Int64
	var serial int
	for lines := bufio.NewScanner(in); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if words[0] == "alive" {
			fmt.Fprintln(out, alive.Load(), events.Load())
			continue
		}
		n, _ := strconv.Atoi(words[1])
		request := []byte("GET " + words[2] + " HTTP/1.1\r\nHost: " + addr + "\r\nAccept: text/event-stream\r\n\r\n")
		var opened, refused atomic.Int64
		var wg sync.WaitGroup
		turn := make(chan struct{}, 64) // connects in progress
		for range n {
			serial++
			// Each source address has some 28,000 ports.
			source := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+serial%16))}
			turn <- struct{}{}
			wg.Go(func() {
				defer func() { <-turn }()
				dialer := net.Dialer{LocalAddr: source, Timeout: 10 * time.Second}
				conn, err := dialer.DialContext(context.Background(), "tcp", addr)
				if err == nil {
					conn.SetDeadline(time.Now().Add(20 * time.Second))
					if _, err = conn.Write(request); err == nil {
						err = readHead(conn)
					}
				}
				if err != nil {
					if conn != nil {
						conn.Close()
					}
					refused.Add(1)
					return
				}
				conn.SetDeadline(time.Time{})
				opened.Add(1)
				alive.Add(1)
				go func() {
					defer conn.Close()
					defer alive.Add(-1)
					b := make([]byte, 512)
					for {
						n, err := conn.Read(b)
						events.Add(int64(bytes.Count(b[:n], []byte("\ndata: {\"crowd\""))))
						if err != nil {
							return
						}
					}
				}()
			})
		}
		wg.Wait()
		fmt.Fprintln(out, opened.Load(), refused.Load())
	}
}

// readHead reads up to the first frame's retry line, and returns an error unless this is a stream.
func readHead(conn net.Conn) error {
	var got []byte
	b := make([]byte, 1024)
	for len(got) < 8192 {
		n, err := conn.Read(b)
		got = append(got, b[:n]...)
		if bytes.Contains(got, []byte("retry:")) {
			if !bytes.HasPrefix(got, []byte("HTTP/1.1 200 ")) || bytes.Contains(got, []byte("hookcast.quota")) {
				return fmt.Errorf("answered %.40q", got)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("no frame in the first 8 KiB of the answer")
}
